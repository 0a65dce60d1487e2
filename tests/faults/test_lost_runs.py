"""A job and its worker die at once: the reaper tells MLflow why before Airflow knows, and removes what is left."""

import os
import signal
import time

import pytest
from e2e.standalone import started, wait_for
from engine_fixtures import client
from faults.airflow_parts import processes_of

from slipway import mlflow_rest

__all__ = ["client"]
pytestmark = pytest.mark.containers
DAG = "/dags/bike_demand.ingest"
PROJECT = f"slipway-lost-{os.getpid()}"


@pytest.fixture(scope="module")
def site(tmp_path_factory, job_images):
    """An Airflow with its MLflow, and the reaper among its DAGs."""
    with started(tmp_path_factory.mktemp("lost"), PROJECT, SLIPWAY_RETRIES="0") as site:
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
    died = time.monotonic()
    assert {status for status, _ in tracked(site, run).values()} == {"RUNNING"}
    wait_for(lambda: tracked(site, run)["ingest"][0] == "FAILED", 150)
    print(f"FAILED in MLflow {time.monotonic() - died:.0f} s after the job died")
    tags = tracked(site, run)["ingest"][1]
    assert (tags["status"], tags["failure_kind"]) == ("failed", "killed")
    assert tags["error"] == "ingest: killed (exit code 137) before it wrote its outputs.json"
    # Airflow waits for a heartbeat still, and might begin another try.
    instance = f"{DAG}/dagRuns/{run}/taskInstances/ingest"
    assert site.airflow.get(instance).json()["state"] == "running"
    assert tracked(site, run)["parent"][0] == "RUNNING"
    assert client.containers(all=True, filters=of(run))
    site.airflow.patch(instance, json={"new_state": "failed"}).raise_for_status()
    wait_for(lambda: not client.containers(all=True, filters=of(run)), 150)
    wait_for(lambda: tracked(site, run)["parent"][0] == "FAILED", 150)
    assert tracked(site, run)["ingest"][1] == tags
    assert sorted(tracked(site, run)) == ["ingest", "parent"]
