"""Stands before an MLflow and lets through who shows the token: `python token_gate.py TOKEN HOST PORT`."""

import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Gate(BaseHTTPRequestHandler):
    def pass_on(self):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, [], b"no token")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        own = ("authorization", "connection", "host")
        asked = HTTPConnection(HOST, PORT, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in own}
        asked.request(self.command, self.path, body=body, headers=kept)
        response = asked.getresponse()
        return self.answer(response.status, response.getheaders(), response.read())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on


ThreadingHTTPServer(("0.0.0.0", 8080), Gate).serve_forever()  # noqa: S104 - inside a container
