"""Watches one container to its end: its log as it comes, its state from `inspect`, its time from the engine's clock."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

import docker
from docker.errors import NotFound

from slipway.container import Container, Log, engine_time, moment
from slipway.ended import Ended
from slipway.failures import DeadlineError, JobLostError
from slipway.job_log import BROKEN, STREAMS, Chunks, Tail
from slipway.log_lines import Lines
from slipway.receipts import Meter

LAST_LINES = 50
# Short jobs are noticed at once, long ones cost the engine little.
LOOK_SECONDS = (0.1, 2.0)
SAMPLE_SECONDS = 5.0
DRAIN_SECONDS = 10.0


@dataclass
class Follower:
    """One container from its start, or from the moment it is taken over, to its end.

    `interrupted` is called between two looks; it raises where the task must end now.
    """

    container: Container
    connect: Callable[[], docker.APIClient]
    log: Log
    secrets: Iterable[str]
    timeout_seconds: int
    lost_seconds: int
    interrupted: Callable[[], None]
    chunks: Chunks = field(default_factory=lambda: Queue(maxsize=256))
    meter: Meter = field(default_factory=Meter)
    state: dict[str, Any] = field(default_factory=dict)
    tails: list[Tail] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.lines = {stream: Lines(self.secrets) for stream in STREAMS}
        self.told_all: set[str] = set()
        self.answered = time.monotonic()
        self.runs_since: float | None = None

    def attach(self) -> None:
        """Be there before the container starts, so that progress is seen while it is drawn."""
        self.tails = [self.tail(stream) for stream in STREAMS]
        for tail in self.tails:
            tail.attach()

    def tail(self, stream: str) -> Tail:
        return Tail(self.connect, self.container.id, stream, self.chunks)

    def until_ended(self) -> Ended:
        """Raises DeadlineError or JobLostError; what `interrupted` raises goes through."""
        self.tails = self.tails or [self.tail(stream) for stream in STREAMS]
        for tail in self.tails:
            tail.start()
        try:
            self.watch()
            self.drain()
        finally:
            for tail in self.tails:
                tail.stopped.set()
        return self.ended()

    def watch(self) -> None:
        """Show lines and look at the state until that says that the container has ended."""
        began, looked, sampled = time.monotonic(), 0.0, time.monotonic()
        while True:
            self.show(LOOK_SECONDS[0])
            self.interrupted()
            now = time.monotonic()
            if now - looked < (LOOK_SECONDS[0] if now - began < 20 else LOOK_SECONDS[1]) and not self.told_whole:
                continue
            looked = now
            if self.looked_ended():
                return
            if now - sampled > SAMPLE_SECONDS or self.meter.peak_memory_bytes == 0:
                self.meter.sample(self.container.client, self.container.id)
                sampled = now

    def looked_ended(self) -> bool:
        """One look at the state; silence of the engine, or a pause, is borne for a while."""
        try:
            self.state = self.container.inspect()["State"]
        except NotFound:
            raise JobLostError(
                f"the container {self.container.id[:12]} is gone from the engine: somebody removed it; try again"
            ) from None
        except BROKEN as error:
            self.bear(f"the engine has not answered for {{}} s ({error})")
            return False
        if self.state["Paused"]:
            self.bear("it has been paused for {} s")
            return False
        self.answered = time.monotonic()
        if self.state["Running"]:
            self.check_deadline()
            return False
        return self.state["Status"] != "created"

    def bear(self, what: str) -> None:
        silent = time.monotonic() - self.answered
        if silent > self.lost_seconds:
            raise JobLostError(
                f"the job counts as lost: {what.format(round(silent))}; it is removed, and a new try begins again"
                " (SLIPWAY_LOST_SECONDS)"
            )

    def check_deadline(self) -> None:
        """The time that counts is the container's own: a try that took it over gives it no more."""
        now = time.monotonic()
        if self.runs_since is None:
            age = (engine_time(self.container.client) - moment(self.state["StartedAt"])).total_seconds()
            self.runs_since = now - max(0.0, age)
        if now - self.runs_since > self.timeout_seconds:
            raise DeadlineError(
                f"deadline: the container has had its {self.timeout_seconds} s: raise the job's limits.timeout_seconds"
            )

    @property
    def told_whole(self) -> bool:
        """Whether the job's log is here to its end, which it is when its container has ended."""
        return len(self.told_all) == len(STREAMS)

    def show(self, seconds: float) -> None:
        """Log what has come; wait so long for the first of it."""
        try:
            for _ in range(1000):
                stream, chunk = self.chunks.get(timeout=seconds)
                seconds = 0.001
                if chunk is None:
                    self.told_all.add(stream)
                else:
                    self.tell(self.lines[stream].feed(chunk))
        except Empty:
            return

    def tell(self, lines: list[str]) -> None:
        for line in lines:
            self.last.append(line)
            self.log(line)

    def drain(self) -> None:
        """The rest of the log; a stream that hangs takes no result away."""
        until = time.monotonic() + DRAIN_SECONDS
        while not self.told_whole and time.monotonic() < until:
            before = self.chunks.qsize()
            self.show(LOOK_SECONDS[0])
            until = time.monotonic() + DRAIN_SECONDS if before else until
        self.show(0.001)
        for lines in self.lines.values():
            self.tell(lines.end())

    def ended(self) -> Ended:
        killed = self.state["OOMKilled"] and self.state["ExitCode"] != 0
        text = self.container.outputs_text()
        return Ended(self.state["ExitCode"], text, killed, tuple(self.secrets), self.meter.peak_memory_bytes or None)
