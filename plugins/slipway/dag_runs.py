"""The demo's other half: runs DAGs one after the other in a process of its own, and tells its parent how they went.

What Airflow and the tasks print goes to one log file per DAG. The parent reads one JSON document a line from the file
descriptor it gave, and says when the services are up by a line on standard input: by then Airflow has been loaded.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from slipway import airflow_home

OUTPUTS = ("return_value", "outputs")
WELL = ("success", "skipped")


class Told:
    """Listens to Airflow and passes on which task runs, and what a failed one said."""

    def __init__(self, parent: TextIO) -> None:
        from airflow.listeners import hookimpl

        self.parent = parent
        self.errors: dict[str, str] = {}
        # Airflow looks for marked methods; marking them here keeps Airflow out of this module's imports.
        for hook in ("on_task_instance_running", "on_task_instance_failed"):
            hookimpl(getattr(type(self), hook))

    def tell(self, **event: Any) -> None:
        print(json.dumps(event), file=self.parent, flush=True)

    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        self.tell(event="task", task=task_instance.task_id, attempt=task_instance.try_number)

    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        self.errors[task_instance.task_id] = str(error)


def main(pipeline: str, kinds: list[str], logs: Path, parent: TextIO, verbose: bool) -> int:
    """Run `<pipeline>.<kind>` for each kind until one fails; 0 when all ended well."""
    log_to(logs / "demo-airflow.log", verbose)
    told = loaded(parent)
    told.tell(event="ready")
    if not sys.stdin.readline():
        return 1
    for kind in kinds:
        log_to(logs / f"demo-{kind}.log", verbose)
        told.tell(event="started", kind=kind)
        ended = run(f"{pipeline}.{kind}", told)
        told.tell(event="ended", kind=kind, **ended)
        if ended["state"] not in WELL:
            return 1
    return 0


def log_to(path: Path, verbose: bool) -> None:
    """Send standard output and error, of this process and its children, to a file and with `verbose` on as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    sys.stdout.flush()
    if verbose:
        # The terminal was handed over as standard input's neighbour; tee writes to both.
        target = subprocess.Popen(["tee", "-a", path], stdin=subprocess.PIPE, stdout=TERMINAL, stderr=TERMINAL).stdin
    else:
        target = path.open("ab")
    assert target  # noqa: S101 - given by PIPE above
    os.dup2(target.fileno(), 1)
    os.dup2(target.fileno(), 2)


def loaded(parent: TextIO) -> Told:
    """Load Airflow, its database brought up to date and its slowest part warmed up."""
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from airflow.sdk.listener import get_listener_manager
    from airflow.utils.db import upgradedb

    upgradedb()
    airflow_home.migrated(Path(os.environ["AIRFLOW_HOME"]))
    # Building its routes takes about 4 s, which would else be spent in the first task.
    in_process_api_server()
    told = Told(parent)
    get_listener_manager().add_listener(told)
    return told


def run(dag_id: str, told: Told) -> dict[str, Any]:
    """One run of one DAG: its state and run ID, seconds, and what each task left."""
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = Path(conf.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    if dag_id not in bag.dags:
        said = "; ".join(str(error).strip().splitlines()[-1] for error in bag.import_errors.values())
        error = f"no DAG {dag_id} in {folder}: {said or 'no DAG file makes it'}"
        return {"state": "failed", "run_id": None, "seconds": 0.0, "tasks": [], "error": error}
    started = time.monotonic()
    run = bag.dags[dag_id].test()
    return {
        "state": str(run.state),
        "run_id": run.run_id,
        "seconds": time.monotonic() - started,
        "tasks": tasks(dag_id, run.run_id, told),
        "error": None,
    }


def tasks(dag_id: str, run_id: str, told: Told) -> list[dict[str, Any]]:
    """What Airflow's database knows of the run's tasks, in the order they ran."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        left = outputs(session, dag_id, run_id)
        asked = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        found = sorted(session.scalars(asked), key=lambda one: (str(one.start_date or "~"), one.map_index))
        return [
            {
                "task": one.task_id,
                "map_index": one.map_index,
                "state": str(one.state),
                "seconds": one.duration,
                "outputs": left.get((one.task_id, one.map_index)),
                "error": told.errors.get(one.task_id),
            }
            for one in found
        ]


def outputs(session: Any, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Each task's outputs.json: its result, or what it left when it had nothing to do."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    asked = select(XComModel).where(
        XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key.in_(OUTPUTS)
    )
    values = {(one.task_id, one.map_index): XComModel.deserialize_value(one) for one in session.scalars(asked)}
    return {where: value for where, value in values.items() if isinstance(value, dict) and "slipway" in value}


if __name__ == "__main__":
    pipeline, named, logs, descriptor, verbose = sys.argv[1:]
    TERMINAL = os.dup(1)
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as parent:
        sys.exit(main(pipeline, named.split(","), Path(logs), parent, verbose == "verbose"))
