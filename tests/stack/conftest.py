"""One real stack for all tests of this folder; the chain runs in it once, and each test goes on from there."""

import pytest
from stack.checkout import Checkout, wait_for

KINDS = ("ingest", "train", "predict")


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The checkout after its first `slipway up`; nothing of it is left at the end."""
    made = Checkout(tmp_path_factory.mktemp("stack"))
    try:
        made.first = made.succeed("up")
        yield made
    finally:
        made.slipway("down", "--volumes")


@pytest.fixture(scope="session")
def chain(stack):
    """The states of each task of the three DAGs, triggered over REST once and running on by themselves."""
    airflow = stack.airflow
    for kind in KINDS:
        dag = f"/dags/bike_demand.{kind}"
        wait_for(lambda dag=dag: airflow.get(dag).status_code == 200, 90)
        assert airflow.patch(dag, json={"is_paused": False}).status_code == 200
    form = {"start": "2024-07-01", "end": "2024-09-30"}
    asked = airflow.post("/dags/bike_demand.ingest/dagRuns", json={"logical_date": None, "conf": form})
    assert asked.status_code == 200, asked.text
    return {kind: ended(stack, airflow, f"bike_demand.{kind}") for kind in KINDS}


def ended(stack, airflow, dag):
    """The states of each task of a DAG in all its runs, once they have ended and one of them has done its work.

    A run that found nothing to do may end before the one that an asset starts is there.
    """

    def look():
        stack.look_at_jobs()
        runs = airflow.get(f"/dags/{dag}/dagRuns").json()["dag_runs"]
        if not runs or any(run["state"] not in ("success", "failed") for run in runs):
            return None
        found = states(airflow, dag, runs)
        return found if all("success" in seen for seen in found.values()) else None

    return wait_for(look, 480)


def states(airflow, dag, runs):
    found = {}
    for run in runs:
        tasks = airflow.get(f"/dags/{dag}/dagRuns/{run['dag_run_id']}/taskInstances").json()["task_instances"]
        for task in tasks:
            found.setdefault(task["task_id"], set()).add(task["state"])
            assert task["state"] in ("success", "skipped"), airflow.get(log_of(task)).text[-3000:]
    return found


def log_of(task):
    return (
        f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
    )
