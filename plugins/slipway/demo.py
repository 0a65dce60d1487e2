"""The demo: services up, then one pipeline's DAGs through Airflow's own runner, then what came of it."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from slipway import airflow_home, embedded, images_built, pipelines, report
from slipway.errors import DemoFailedError
from slipway.progress import Line
from slipway.settings import Settings

KINDS = ("ingest", "train", "predict")
TICK_SECONDS = 0.5
# A task that is asked to end removes its container before it does.
END_SECONDS = 10.0

Event = dict[str, Any]


def run(pipeline: str, verbose: bool, deployed: Settings) -> None:
    """Run the pipeline and print the report.

    Raises PipelineError for one that can't be used, DemoFailedError with the failing task's own words.
    """
    chosen = embedded.runtime(deployed)
    print(embedded.described(chosen, deployed), flush=True)
    pipelines.named(pipeline, deployed)
    if chosen == "docker":
        images_built.ensure(deployed)
    with runner(pipeline, verbose, chosen, deployed) as child:
        embedded.up(chosen, deployed)
        ended = list(follow(child, deployed))
    print(report.text(pipeline, ended, deployed), flush=True)
    for broken in pipelines.load_all(deployed):
        if isinstance(broken, pipelines.BrokenPipeline):
            raise broken.error


class Runner:
    """The process that Airflow runs in, and the pipe it reports through."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        reading, writing = os.pipe()
        self.events = os.fdopen(reading, encoding="utf-8")
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            [*command, str(writing)],
            env=environment,
            stdin=subprocess.PIPE,
            pass_fds=[writing],
            start_new_session=True,
            text=True,
        )
        os.close(writing)

    def go(self) -> None:
        """Say that the services are up."""
        assert self.process.stdin  # noqa: S101 - given by PIPE above
        with suppress(BrokenPipeError):
            self.process.stdin.write("go\n")
            self.process.stdin.flush()

    def next(self, line: Line, what: str) -> Event | None:
        """The next event, shown to be waited for; None when there will be no more."""
        while not select.select([self.events], [], [], TICK_SECONDS)[0]:
            line.running(what)
        told = self.events.readline()
        return json.loads(told) if told else None

    def end(self) -> None:
        """End the process and what it started, tasks first; by itself it would ignore being asked to."""
        for asked in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                if self.process.poll() is None:
                    os.killpg(self.process.pid, asked)
                    self.process.wait(END_SECONDS)
