"""A container's output as it comes, each stream taken up again exactly where it broke off."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Full, Queue

import docker
from docker.errors import DockerException, NotFound
from requests import RequestException
from urllib3.exceptions import HTTPError

from slipway.errors import EngineAwayError

STREAMS = ("stdout", "stderr")
# A stream's last chunk is None.
Chunks = Queue[tuple[str, bytes | None]]
BROKEN = (OSError, HTTPError, DockerException, RequestException, EngineAwayError)
AGAIN_SECONDS = 0.5


class Tail(threading.Thread):
    """Puts the bytes of one stream of a container into a queue until the container has ended.

    Attached before the start it sees every byte at the moment it is written; the engine's stored log, where it is
    taken up again, tells a line when it is whole. What was delivered already is skipped by its number of bytes.
    """

    def __init__(self, connect: Callable[[], docker.APIClient], container: str, stream: str, chunks: Chunks) -> None:
        super().__init__(daemon=True, name=f"{stream} of {container[:12]}")
        self.container, self.stream, self.chunks = container, stream, chunks
        self.connect = connect
        self.client: docker.APIClient | None = None
        self.attached: Iterable[bytes] | None = None
        self.delivered = 0
        self.stopped = threading.Event()

    def attach(self) -> None:
        """Be there before the container starts."""
        self.client = self.connect()
        wanted = self.wanted()
        self.attached = self.client.attach(self.container, wanted["stdout"], wanted["stderr"], stream=True, logs=False)

    def run(self) -> None:
        try:
            self.follow()
        finally:
            self.deliver(None)
            if self.client:
                self.client.close()

    def follow(self) -> None:
        with suppress(*BROKEN):
            for chunk in self.attached or ():
                self.deliver(chunk)
        # An attached stream that broke looks like one that ended; what is stored says what is missing.
        while not self.stopped.is_set():
            try:
                for chunk in self.stored():
                    self.deliver(chunk)
                if not self.is_running():
                    break
            except NotFound:
                break
            except BROKEN:
                self.client = None
            self.stopped.wait(AGAIN_SECONDS)

    def stored(self) -> Iterable[bytes]:
        """The stream from the engine's own log, without what was delivered already, and then as it comes."""
        self.client = self.client or self.connect()
        skip = self.delivered
        for chunk in self.client.logs(self.container, **self.wanted(), stream=True, follow=True):
            rest, skip = chunk[skip:], max(0, skip - len(chunk))
            if rest:
                yield rest

    def wanted(self) -> dict[str, bool]:
        return {name: name == self.stream for name in STREAMS}

    def deliver(self, chunk: bytes | None) -> None:
        while not self.stopped.is_set():
            try:
                self.chunks.put((self.stream, chunk), timeout=1)
            except Full:
                continue
            self.delivered += len(chunk or b"")
            return

    def is_running(self) -> bool:
        """The log of a container ends a moment before its state does."""
        client = self.client or self.connect()
        for _ in range(20):
            if not client.inspect_container(self.container)["State"]["Running"]:
                return False
            time.sleep(0.05)
        return True
