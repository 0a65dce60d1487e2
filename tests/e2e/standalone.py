"""An Airflow with a scheduler and an MLflow beside it, with everything of its own; all of it goes at the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

SLIPWAY = Path(sys.executable).with_name("slipway")


@dataclass
class Standalone:
    """Where it answers, and a client of its REST API."""

    address: str
    mlflow: str
    password: str
    airflow: httpx.Client


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def started(state, project, **variables):
    port, mlflow_port = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "SLIPWAY_STATE": str(state),
        "SLIPWAY_PROJECT": project,
        "SLIPWAY_RUNTIME": "docker",
        "MLFLOW_PORT": str(mlflow_port),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        **variables,
    }
    subprocess.run([SLIPWAY, "mlflow"], env=environment, check=True)
    with (state / "standalone.log").open("wb") as log:
        server = subprocess.Popen(
            [SLIPWAY, "airflow", "standalone"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield reached(f"http://localhost:{port}", f"http://127.0.0.1:{mlflow_port}", state)
    finally:
        end(server)
        subprocess.run([SLIPWAY, "stop", "--volumes"], env=environment, check=True)


def end(server):
    """`airflow standalone` ends alone when it is asked to, so its whole group is ended."""
    for asked, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(server.pid, asked)
            server.wait(seconds)
    time.sleep(1)


def reached(address, mlflow, state):
    passwords = state / "airflow" / "simple_auth_manager_passwords.json.generated"
    wait_for(lambda: answers(f"{address}/api/v2/monitor/health") and passwords.is_file(), 120)
    password = json.loads(passwords.read_text())["admin"]
    token = httpx.post(f"{address}/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return Standalone(
        address, mlflow, password, httpx.Client(base_url=f"{address}/api/v2", headers=headers, timeout=60)
    )


def answers(url):
    with suppress(httpx.HTTPError):
        health = httpx.get(url).json()
        return health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"
    return False


def wait_for(condition, seconds):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(1)
    return found
