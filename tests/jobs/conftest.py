"""A real MLflow server for the session, and a lake in a temporary folder."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]

from line import Line, as_csv, demand_rows  # noqa: E402


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own; SLIPWAY_TEST_MLFLOW names one where full mlflow is not installed."""
    if address := os.environ.get("SLIPWAY_TEST_MLFLOW"):
        yield address
        return
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log, cwd=folder)
        address = f"http://127.0.0.1:{port}"
        _wait(address, server, folder / "log")
        yield address
        server.terminate()
        server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/version", timeout=2):  # noqa: S310
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"mlflow did not come up: {log.read_text()}")


@pytest.fixture
def line(tmp_path: Path, mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "lake"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    return Line(tmp_path)


@pytest.fixture
def trained(line: Line) -> Line:
    """A line with twenty days of raw and a challenger."""
    line.land(as_csv(demand_rows()))
    assert line.run("ingest") == 0
    assert line.run("train") == 0
    return line
