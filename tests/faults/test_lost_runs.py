"""A job and its worker die at once: the reaper's next round ends what MLflow still says is RUNNING."""

import os
import signal

import pytest
from e2e.standalone import started, wait_for
from engine_fixtures import client
from faults.airflow_parts import processes_of

from slipway import mlflow_rest

__all__ = ["client"]
pytestmark = pytest.mark.containers
DAG = "/dags/bike_demand.ingest"
PROJECT = f"slipway-lost-{os.getpid()}"
SOON = {
    "SLIPWAY_RETRIES": "0",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory, job_images):
    """An Airflow with its MLflow, and the reaper among its DAGs."""
    with started(tmp_path_factory.mktemp("lost"), PROJECT, **SOON) as site:
        wait_for(lambda: site.airflow.get(DAG).status_code == 200, 60)
        site.airflow.patch(DAG, json={"is_paused": False}).raise_for_status()
        yield site


def of(run):
    return {"label": [f"slipway.project={PROJECT}", f"slipway.run_id={run}"]}


def tracked(site, run):
    """Status and tags of the MLflow runs of a DAG run: of its task, and of the whole."""
    found = mlflow_rest.runs_tagged(site.mlflow, {"slipway.run_id": run})
    told = [
        (one["info"]["status"], {tag["key"].removeprefix("slipway."): tag["value"] for tag in one["data"]["tags"]})
        for one in found
    ]
    return {("parent" if "parent" in tags else tags["task_id"]): (status, tags) for status, tags in told}


def test_a_job_that_died_with_its_worker_leaves_neither_container_nor_running_run(site, client):
    asked = site.airflow.post(f"{DAG}/dagRuns", json={"logical_date": None, "conf": {"start": "2024-01-01"}})
    run = asked.json()["dag_run_id"]
    wait_for(lambda: client.containers(filters=of(run)), 120)
    (container,) = client.containers(filters=of(run))
    # Held still, so that its worker neither sees it end nor outlives it.
    client.pause(container["Id"])
    task = site.airflow.get(f"{DAG}/dagRuns/{run}/taskInstances/ingest").json()
    for pid in processes_of(task["id"]):
        os.kill(pid, signal.SIGKILL)
    client.unpause(container["Id"])
    client.kill(container["Id"])
    assert {status for status, _ in tracked(site, run).values()} == {"RUNNING"}
    wait_for(lambda: not client.containers(all=True, filters=of(run)), 240)
    # The reaper leaves a run alone that is younger than a minute, and looks once a minute.
    wait_for(lambda: {status for status, _ in tracked(site, run).values()} == {"FAILED"}, 150)
    tags = tracked(site, run)["ingest"][1]
    assert (tags["status"], tags["failure_kind"]) == ("failed", "lost")
    assert tags["error"] == "the job's container is gone and its task is failed: nobody closed this run"
    assert sorted(tracked(site, run)) == ["ingest", "parent"]
