"""SIGTERM, or the job's own deadline, ends it in order and within three seconds, wherever it is at that moment."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType

from jobs.errors import DeadlinePassed, Stopped

# Set by whoever starts the container, who is to be first; it counts where that one has died.
DEADLINE = "SLIPWAY_DEADLINE_SECONDS"
REACT_SECONDS = 0.5
CLOSE_SECONDS = 1.5


def _nothing() -> None:
    """There is no run to close yet."""


@dataclass
class Watch:
    """What is left to do for a job that must stop: `write` its outputs, and `close` its MLflow run if it has one.

    `cause` is what the job is stopped by.
    """

    write: Callable[[Stopped], None]
    close: Callable[[], None] = _nothing
    cause: Stopped = field(default_factory=lambda: Stopped("stopped"))
    stopped: bool = False
    reacted: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler; raises Stopped once, unless the job has its outcome already."""
        if self.stopped or self.finished.is_set():
            return
        self.stopped = True
        _hurry()
        self.reacted.set()
        raise self.cause

    def guard(self, signals: socket.socket) -> None:
        """Ends the process where the main thread can't: in a library's C code no handler runs."""
        with signals:
            while (number := signals.recv(1)) and number[0] != signal.SIGTERM:
                continue
        if not number or self.finished.is_set():
            return
        if not self.reacted.wait(REACT_SECONDS):
            _hurry()
            threading.Thread(target=self.close, daemon=True).start()
        if not self.finished.wait(CLOSE_SECONDS):
            self.write(self.cause)
            os._exit(self.cause.exit_code)

    def expire(self, seconds: float) -> None:
        """The same as a SIGTERM, with another cause, when the time is over."""
        if self.finished.wait(seconds) or self.stopped:
            return
        self.cause = DeadlinePassed(f"the job has run for {seconds:.0f} s, and nobody stopped it at its timeout")
        # To that thread: a signal to the process may wake another one than the one that waits.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _hurry() -> None:
    os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}


@contextlib.contextmanager
def stoppable(write: Callable[[Stopped], None]) -> Iterator[Watch]:
    """SIGTERM raises Stopped inside, the deadline DeadlinePassed; without an answer the process ends by itself.

    Its outputs are then those that `write` leaves.
    """
    watch = Watch(write)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.signal(signal.SIGTERM, watch.stop)
    fd = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch.guard, args=(theirs,), daemon=True).start()
    if (seconds := os.environ.get(DEADLINE, "")).isdigit():
        threading.Thread(target=watch.expire, args=(int(seconds),), daemon=True).start()
    try:
        yield watch
    finally:
        watch.finished.set()
        signal.set_wakeup_fd(fd)
        signal.signal(signal.SIGTERM, before)
        ours.close()
