"""MLflow as a process of this virtual environment, for machines without an engine; its data in the state folder."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from slipway import mlflow_rest, ports
from slipway.embedded import tracking_server
from slipway.errors import TrackingAwayError
from slipway.progress import Line
from slipway.settings import Settings

STOP_SECONDS = 5.0
ALLOWED_HOSTS = "localhost:*,127.0.0.1:*"


def up(deployed: Settings) -> None:
    """Start MLflow and wait until its API answers; one that runs on the same port is kept.

    Raises PortTakenError, or TrackingAwayError when it doesn't come up.
    """
    if recorded(deployed).get("port") != deployed.mlflow_port:
        stop(deployed)
    if running(deployed) is None:
        ports.check_free(deployed.mlflow_port)
        start(deployed)
    wait(deployed)


def start(deployed: Settings) -> None:
    data = deployed.state / "mlflow"
    (data / "artifacts").mkdir(parents=True, exist_ok=True)
    log_file(deployed).parent.mkdir(parents=True, exist_ok=True)
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    line = command(data, deployed.mlflow_port)
    # Not Popen, which warns when its child outlives it: this one is meant to.
    process = os.posix_spawn(
        line[0],
        line,
        {**os.environ, **quiet},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_file(deployed), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    record = {"pid": process, "created": psutil.Process(process).create_time(), "port": deployed.mlflow_port}
    pid_file(deployed).write_text(json.dumps(record), encoding="utf-8")


def command(data: Path, port: int) -> list[str]:
    """The server's command line; one worker serves a team, and the default of 16 processes takes 3 GB."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", ports.LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{data}/mlflow.db", "--artifacts-destination", f"{data}/artifacts"),
        *("--allowed-hosts", ALLOWED_HOSTS),
    ]


def wait(deployed: Settings) -> None:
    line = Line("MLflow")
    while not mlflow_rest.answers(deployed.mlflow_url):
        line.running("starting")
        time.sleep(0.2)
        if running(deployed) is None or line.seconds > tracking_server.START_SECONDS:
            line.broken_off()
            raise TrackingAwayError(
                f"MLflow did not answer at {deployed.mlflow_url} within {line.seconds:.0f} s: see {log_file(deployed)}"
            )
    line.done(f"at {deployed.mlflow_url}")


def stop(deployed: Settings) -> bool:
    """End the server and its workers, if it runs; whether it did."""
    server = running(deployed)
    if server:
        end_group(server)
    pid_file(deployed).unlink(missing_ok=True)
    return server is not None


def end_group(server: psutil.Process) -> None:
    for asked in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, psutil.TimeoutExpired):
            os.killpg(server.pid, asked)
            server.wait(STOP_SECONDS)


def running(deployed: Settings) -> psutil.Process | None:
    """The server that the record names; a stranger that has inherited its process number is not it."""
    record = recorded(deployed)
    with suppress(psutil.Error, KeyError):
        found = psutil.Process(record["pid"])
        if abs(found.create_time() - record["created"]) < 1 and found.status() != psutil.STATUS_ZOMBIE:
            return found
    return None


def recorded(deployed: Settings) -> dict[str, Any]:
    """What was last started: process number, when it began, its port; empty when nothing was."""
    try:
        record: dict[str, Any] = json.loads(pid_file(deployed).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record


def pid_file(deployed: Settings) -> Path:
    return deployed.state / "mlflow.pid"


def log_file(deployed: Settings) -> Path:
    return deployed.state / "logs" / "mlflow.log"
