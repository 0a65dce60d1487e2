"""MLflow as a process of this virtual environment, for machines without an engine; its data in the state folder."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from slipway import mlflow_rest, ports, tracking_server
from slipway.errors import TrackingAwayError
from slipway.progress import Line
from slipway.settings import Settings

STOP_SECONDS = 5.0


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
    environment = {**os.environ, **tracking_server.ENVIRONMENT, "TMPDIR": str(data)}
    with log_file(deployed).open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, *tracking_server.command(str(data), ports.LOOPBACK, deployed.mlflow_port)[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record = {"pid": child.pid, "created": psutil.Process(child.pid).create_time(), "port": deployed.mlflow_port}
    pid_file(deployed).write_text(json.dumps(record), encoding="utf-8")


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
