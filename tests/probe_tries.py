"""Tries of the probe beside the test that watches them."""

import threading
import time
from dataclasses import replace

from probe_runs import Instance, context, probe_task

from slipway.failures import WorkerStopsError


class Try:
    """One try of the probe in a thread of its own, as a worker would run it."""

    def __init__(self, ends, instance, reuse=None, outlets=(), **limits):
        self.task, self.came = probe_task(limits=limits, outlets=outlets), None
        self.task.contract = replace(self.task.contract, reuse=reuse)
        self.context = context(ends, instance)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.came = self.task.execute(self.context)
        except Exception as error:
            self.came = error

    def began(self):
        until = time.monotonic() + 20
        while not any(line.startswith("probe runs") for line in self.task.lines) and self.thread.is_alive():
            assert time.monotonic() < until
            time.sleep(0.05)
        return self

    def told(self):
        """What comes of it when it is asked to end."""
        self.task.on_kill()
        self.thread.join(20)
        return self.came

    def ended(self):
        self.thread.join(40)
        return self.came


def deserted(ends, store, state="running"):
    """A container that a worker left when it was asked to stop."""
    left = Try(ends, Instance(try_number=1, store=store, state=state)).began().told()
    assert type(left) is WorkerStopsError
    return left
