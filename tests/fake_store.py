"""A store that knows the words of S3 and takes none of them seriously, as some that call themselves compatible."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class FakeStore(BaseHTTPRequestHandler):
    objects: ClassVar[dict[str, bytes]] = {}

    def do_HEAD(self):
        self.answer(200)

    def do_PUT(self):
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def do_GET(self):
        found = self.objects[self.path]
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "bytes=0-"))
        first, last = asked[1], asked[2]
        self.answer(206, found[int(first) : int(last or len(found)) + 1] if first else found[-int(last) :])

    def do_DELETE(self):
        del self.objects[self.path]
        self.answer(204)

    def answer(self, status, content=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


@contextmanager
def running():
    """The address of one that runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeStore) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
