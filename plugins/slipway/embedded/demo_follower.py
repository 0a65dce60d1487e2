"""The demo's other process, seen from the command line: started, followed, and ended in any case."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from slipway.embedded import airflow_home
from slipway.progress import Line
from slipway.settings import Settings

TICK_SECONDS = 0.5
# A task that is asked to end removes its container before it does.
END_SECONDS = 10.0

Event = dict[str, Any]


class Follower:
    """A running `slipway.embedded.demo_process` and what it has told so far."""

    def __init__(self, asked: dict[str, Any], verbose: bool, environment: dict[str, str], log: Any) -> None:
        reading, writing = os.pipe()
        terminal = os.dup(1) if verbose else None
        asked = {**asked, "events": writing, "terminal": terminal}
        passed = [writing] if terminal is None else [writing, terminal]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "slipway.embedded.demo_process", json.dumps(asked)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=passed,
            # Ctrl-C reaches the parent alone, which then ends this one with all its tasks.
            start_new_session=True,
        )
        for descriptor in passed:
            os.close(descriptor)
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        # `select` says nothing of lines that a reader has already buffered, so a thread waits for each.
        self.reader = threading.Thread(target=self.read, args=(reading,), daemon=True)
        self.reader.start()

    def read(self, descriptor: int) -> None:
        """Queue each event, and None when the process has closed its end."""
        with os.fdopen(descriptor, encoding="utf-8") as told, suppress(ValueError):
            for line in told:
                self.events.put(json.loads(line))
        self.events.put(None)

    def go(self) -> None:
        """Say that the services are up."""
        assert self.process.stdin  # noqa: S101 - given by PIPE above
        with suppress(BrokenPipeError):
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()

    def follow(self, kinds: tuple[str, ...]) -> Iterator[Event]:
        """Each DAG's end, with a line of progress for the one that runs; fewer where the process broke off."""
        for kind in kinds:
            line = Line(kind)
            ended = self.ended(line)
            if ended is None:
                line.broken_off()
                return
            line.done(
                f"{'done in' if ended['state'] == 'success' else ended['state'] + ' after'} {ended['seconds']:.1f} s"
            )
            yield ended

    def ended(self, line: Line) -> Event | None:
        """The next end of a DAG, or None when the process has ended before."""
        doing = "loading Airflow,"
        while event := self.event(line, doing):
            if event["event"] == "ended":
                return event
            doing = f"running {event.get('task', '')}".rstrip() + ","
        return None

    def event(self, line: Line, doing: str) -> Event | None:
        while True:
            with suppress(queue.Empty):
                return self.events.get(timeout=TICK_SECONDS)
            line.running(doing)

    def end(self) -> None:
        """End the process if it still runs, and its tasks first; asked once, Airflow's runner ends its task alone."""
        for asked in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                if self.process.poll() is None:
                    os.killpg(self.process.pid, asked)
                    self.process.wait(END_SECONDS)
        self.reader.join(END_SECONDS)
        if self.process.stdin:
            self.process.stdin.close()


@contextmanager
def started(asked: dict[str, Any], verbose: bool, runtime: str, deployed: Settings) -> Iterator[Follower]:
    """A process that loads Airflow while its caller sees to the services."""
    # A person waits for a demo, so a fault is told at once and not tried again.
    environment = {"SLIPWAY_RETRIES": "0", **airflow_home.prepare(runtime, deployed)}
    log = deployed.state / "logs" / "demo-airflow.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as opened:
        follower = Follower(asked, verbose, environment, None if verbose else opened)
    try:
        yield follower
    finally:
        follower.end()
