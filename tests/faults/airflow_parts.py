"""An Airflow whose parts run as processes of their own, so that each can be killed and started again."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import httpx
from e2e.standalone import free_port

from slipway import settings

AIRFLOW = Path(sys.executable).with_name("airflow")
PARTS = ("api-server", "scheduler", "dag-processor")
DAG = "/dags/probe.probe"


class AirflowParts:
    """The probe's DAG in an Airflow on SQLite, with short times until a dead worker is noticed."""

    def __init__(self, state, folder, **more):
        self.state, self.parts, self.starting = state, {}, threading.Lock()
        port = free_port()
        self.address = f"http://localhost:{port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(state),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{state / 'airflow.db'}?timeout=60",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
            "SLIPWAY_RETRIES": "3",
            "SLIPWAY_RETRY_DELAY": "1",
            **more,
        }

    def __enter__(self):
        subprocess.run([AIRFLOW, "db", "migrate"], env=self.environment, check=True, capture_output=True)
        for part in PARTS:
            self.start(part)
        try:
            self.reach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def reach(self):
        self.wait_for(self.is_up, 120)
        token = httpx.get(f"{self.address}/auth/token").json()["access_token"]
        self.api = httpx.Client(
            base_url=f"{self.address}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self.wait_for(lambda: self.api.get(DAG).status_code == 200, 60)

    def __exit__(self, *_):
        for part in self.parts:
            self.kill(part)

    def start(self, part):
        with (self.state / f"{part}.log").open("ab") as log:
            self.parts[part] = subprocess.Popen(
                [AIRFLOW, part], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, part):
        """All of its processes at once, as a machine that loses its power."""
        with suppress(ProcessLookupError):
            os.killpg(self.parts[part].pid, signal.SIGKILL)
        self.parts[part].wait(10)

    def is_up(self):
        with suppress(httpx.HTTPError, ValueError, KeyError):
            health = httpx.get(f"{self.address}/api/v2/monitor/health").json()
            return health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"
        return False

    def wait_for(self, look, seconds):
        until = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < until, "it took too long"
            self.revive()
            time.sleep(0.2)
        return found

    def revive(self):
        """SQLite lets a scheduler fall over now and then ("database is locked"); a service would be started again."""
        with self.starting:
            if (scheduler := self.parts.get("scheduler")) and scheduler.poll() is not None:
                self.start("scheduler")

    def trigger(self, ends, **form):
        name = f"fault__{uuid.uuid4().hex[:12]}"
        wanted = {"dag_run_id": name, "logical_date": None, "conf": {"ends": ends, **form}}
        for _ in range(5):
            # SQLite lets an answer wait for longer than anybody would.
            with suppress(httpx.TimeoutException):
                asked = self.api.post(f"{DAG}/dagRuns", json=wanted)
                if asked.status_code in (httpx.codes.OK, httpx.codes.CONFLICT):
                    return name
        raise AssertionError(asked.text)

    def state_of(self, run):
        return self.api.get(f"{DAG}/dagRuns/{run}").json()["state"]

    def ended(self, run, seconds=180):
        return self.wait_for(lambda: (s := self.state_of(run)) in ("success", "failed") and s, seconds)

    def task(self, run):
        return self.api.get(f"{DAG}/dagRuns/{run}/taskInstances/probe").json()

    def result(self, run):
        return self.api.get(f"{DAG}/dagRuns/{run}/taskInstances/probe/xcomEntries/return_value").json()["value"]

    def log(self, run):
        """What all tries of the run's task have logged."""
        files = sorted(self.state.glob(f"logs/dag_id=probe.probe/run_id={run}/**/*.log"))
        return "".join(path.read_text(errors="replace") for path in files)

    def worker_of(self, run):
        """The processes of one running task: its supervisor, and the task's own."""
        return processes_of(self.task(run)["id"])


def processes_of(instance):
    """The supervisor of one try of a task, and the task's own process, by the ID that both have as their title."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    titled = [int(pid) for pid, _, title in rows if title.endswith(instance)]
    # The supervisor first: it is the parent of the other.
    return sorted(titled, key=lambda pid: any(int(row[0]) == pid and int(row[1]) in titled for row in rows))
