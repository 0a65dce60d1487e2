"""A real MLflow behind a gate that can refuse, fall silent, or lose what MLflow answered."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from e2e.standalone import free_port


class Gate(BaseHTTPRequestHandler):
    """What passes depends on the server's `mood`: a function of the path that names what goes wrong, or nothing."""

    protocol_version = "HTTP/1.1"

    def pass_on(self):
        self.server.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.mood(self.path)
        if fault == "503":
            return self.answer(503, [], b"away")
        asked = HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "host")}
        asked.request(self.command, self.path, body=body, headers=kept)
        response = asked.getresponse()
        content = response.read()
        if fault == "lost":
            self.close_connection = True
            return None
        return self.answer(response.status, response.getheaders(), content)

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on


class GateServer(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that are killed in the middle are what these tests are for."""


class Mlflow:
    """The server and its gate; `url` is the gate's."""

    def __init__(self, process, gate, port, folder):
        self.process, self.gate, self.folder = process, gate, folder
        self.url, self.direct = f"http://127.0.0.1:{gate.server_port}", f"http://127.0.0.1:{port}"

    def behaves(self, mood=lambda path: None):
        self.gate.mood = mood

    def loses(self, every):
        """Every n-th answer gets lost on its way."""
        counted = iter(range(10**9))
        self.behaves(lambda path: "lost" if next(counted) % every == 0 else None)

    @contextmanager
    def refuses(self, seconds):
        """503 from now on, for so long."""
        until = time.monotonic() + seconds
        self.behaves(lambda path: "503" if time.monotonic() < until else None)
        yield
        self.behaves()

    @contextmanager
    def paused(self, seconds):
        """The server's processes stand still for so long."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, os.killpg, (self.process.pid, signal.SIGCONT))
        timer.start()
        yield
        timer.cancel()
        os.killpg(self.process.pid, signal.SIGCONT)

    def ask(self, method, path, **options):
        return httpx.request(method, f"{self.direct}/api/2.0/mlflow/{path}", timeout=60, **options).json()

    def runs(self, experiment, **tags):
        """All runs of an experiment with these Slipway tags, with their tags, metrics and parameters as mappings."""
        found = self.ask("GET", "experiments/get-by-name", params={"experiment_name": experiment})
        if "experiment" not in found:
            return []
        asked = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 1000}
        asked["filter"] = " and ".join(f"tags.`slipway.{name}` = '{value}'" for name, value in tags.items())
        runs = self.ask("POST", "runs/search", json=asked).get("runs", [])
        return [
            run["info"] | {part: mapped(run["data"], part) for part in ("tags", "metrics", "params")} for run in runs
        ]

    def artifact(self, run_id, path):
        return httpx.get(f"{self.direct}/get-artifact", params={"path": path, "run_uuid": run_id}).text


def mapped(data, part):
    return {one["key"]: one["value"] for one in data.get(part, [])}


@contextmanager
def serving(folder):
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    gate = GateServer(("127.0.0.1", 0), Gate)
    gate.behind, gate.asked, gate.mood = port, [], lambda path: None
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=os.environ | quiet, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
        try:
            reach(f"http://127.0.0.1:{port}/version", process)
            yield Mlflow(process, gate, port, folder)
        finally:
            gate.shutdown()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def reach(address, process):
    until = time.monotonic() + 90
    while True:
        assert process.poll() is None, "mlflow fell over"
        assert time.monotonic() < until, "mlflow did not come up"
        try:
            return httpx.get(address, timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.25)
