"""The demo's other half, a program of its own: runs DAGs one after the other and tells its parent how they went.

The only argument is a JSON document. What Airflow and the tasks print goes to one log file per DAG. The parent reads
one JSON document a line from the file descriptor it named, and says that the services are up by a line on standard
input: by then Airflow has been loaded.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import httpx
from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.listeners import hookimpl
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.execution_time.supervisor import in_process_api_server
from airflow.sdk.listener import get_listener_manager
from airflow.utils.session import create_session
from sqlalchemy import select

from slipway.embedded import airflow_home

OUTPUTS = ("return_value", "outputs")
Told = dict[str, Any]


class Listener:
    """Passes on which task runs, and keeps what a failed one said."""

    def __init__(self, parent: TextIO) -> None:
        self.parent = parent
        self.errors: dict[str, str] = {}

    def tell(self, **event: Any) -> None:
        print(json.dumps(event), file=self.parent, flush=True)

    @hookimpl  # type: ignore[untyped-decorator]
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        self.tell(event="task", task=task_instance.task_id)

    @hookimpl  # type: ignore[untyped-decorator]
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        self.errors[task_instance.task_id] = str(error)


def main(asked: dict[str, Any], parent: TextIO) -> int:
    """Run `<pipeline>.<kind>` for each kind until one fails; 0 when all ended well."""
    listener = loaded(parent)
    if not sys.stdin.readline():
        return 1
    for kind in asked["kinds"]:
        log_to(Path(asked["logs"]) / f"demo-{kind}.log", asked["terminal"])
        listener.tell(event="started", kind=kind)
        ended = run(f"{asked['pipeline']}.{kind}", listener)
        listener.tell(event="ended", kind=kind, **ended)
        if ended["state"] != "success":
            return 1
    return 0


def loaded(parent: TextIO) -> Listener:
    """Bring Airflow's database up to date and warm up its slowest part."""
    airflow_home.migrate(dict(os.environ))
    # Its routes take about 4 s to build, on the first request, which would else be the first task's.
    httpx.Client(transport=in_process_api_server().transport, base_url="http://in-process.invalid").get("/health")
    listener = Listener(parent)
    get_listener_manager().add_listener(listener)
    return listener


def log_to(path: Path, terminal: int | None) -> None:
    """Send standard output and error to a file from here on, and to the terminal as well if there is one to use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    # What was printed before belongs to the file before.
    sys.stdout.flush()
    # By descriptor: tasks run in forks and write past Python's own streams.
    target = path.open("ab", buffering=0) if terminal is None else tee(path, terminal)
    os.dup2(target.fileno(), 1)
    os.dup2(target.fileno(), 2)
    target.close()


def tee(path: Path, terminal: int) -> Any:
    return subprocess.Popen(["tee", "-a", path], stdin=subprocess.PIPE, stdout=terminal, stderr=terminal).stdin  # noqa: S607


def run(dag_id: str, listener: Listener) -> Told:
    """One run of one DAG: its state and ID, seconds, what each task left, and an error where it could not be run."""
    folder = Path(conf.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    if dag_id not in bag.dags:
        said = "; ".join(str(error).strip().splitlines()[-1] for error in bag.import_errors.values())
        return not_run(f"no DAG {dag_id} in {folder}: {said or 'no DAG file makes it'}")
    started = time.monotonic()
    ran = bag.dags[dag_id].test()
    seconds = time.monotonic() - started
    return {"state": str(ran.state), "seconds": seconds, "tasks": tasks(dag_id, ran.run_id, listener), "error": None}


def not_run(error: str) -> Told:
    return {"state": "failed", "seconds": 0.0, "tasks": [], "error": error}


def tasks(dag_id: str, run_id: str, listener: Listener) -> list[Told]:
    """What Airflow's database knows of the run's tasks, in the order they ran."""
    asked = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    with create_session() as session:
        left = outputs(session, dag_id, run_id)
        found = sorted(session.scalars(asked), key=lambda one: (str(one.start_date or "~"), one.map_index))
        return [
            {
                "task": one.task_id,
                "state": str(one.state),
                "seconds": one.duration,
                "outputs": left.get((one.task_id, one.map_index)),
                "error": listener.errors.get(one.task_id),
            }
            for one in found
        ]


def outputs(session: Any, dag_id: str, run_id: str) -> dict[tuple[str, int], Told]:
    """Each task's outputs.json: its result, or what it left when it had nothing to do."""
    asked = select(XComModel).where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
    found = session.scalars(asked.where(XComModel.key.in_(OUTPUTS)))
    values = {(one.task_id, one.map_index): XComModel.deserialize_value(one) for one in found}
    return {where: value for where, value in values.items() if isinstance(value, dict)}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    with os.fdopen(given["events"], "w", encoding="utf-8") as pipe:
        sys.exit(main(given, pipe))
