"""A long log of characters that take several bytes: it arrives whole, and the worker stays small."""

import os
import threading
import time

import psutil
import pytest
from engine_fixtures import in_docker
from probe_runs import Instance, Store, context, probe_task

__all__ = ["in_docker"]
pytestmark = pytest.mark.containers
MEGABYTES = int(os.environ.get("SLIPWAY_FAULT_MEGABYTES", "10"))


class Watch(threading.Thread):
    """The largest resident memory of this process while it is watched, in bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.process, self.ended = psutil.Process(), threading.Event()
        self.before = self.largest = self.process.memory_info().rss

    def run(self):
        while not self.ended.wait(0.05):
            self.largest = max(self.largest, self.process.memory_info().rss)


def test_a_long_log_arrives_whole_in_a_small_worker(in_docker):
    task, seen = probe_task(limits={"timeout_seconds": 600}), []

    def take(line):
        number, _, rest = line.partition(" ")
        # Only what is wrong is kept: the lines themselves would be the memory that is measured.
        if number.isdigit() and (int(number) != take.expected or rest != "€" * 330):
            seen.append(line)
        take.expected += number.isdigit()

    take.expected, task.log_line = 0, take
    watch, started = Watch(), time.monotonic()
    watch.start()
    assert task.execute(context(f"prints {MEGABYTES}", Instance(store=Store())))["status"] == "done"
    watch.ended.set()
    print(f"{MEGABYTES} MB in {time.monotonic() - started:.1f} s, {(watch.largest - watch.before) / 1e6:.0f} MB more")
    assert (take.expected, seen) == (MEGABYTES * 1000, [])
    assert watch.largest - watch.before < 100e6
