"""Every service of the stack killed while the chain runs: it heals by itself, and no run is lost or doubled."""

import os
import signal
from pathlib import Path

import pytest
from stack.checkout import docker, wait_for

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]
TASKS = ["promote", "train"]
# In the order of a start, so that each is killed with all that it leans on alive.
SERVICES = ["postgres", "store", "mlflow", "dag-processor", "api-server", "scheduler"]
# One after the other while one chain runs; by SLIPWAY_KILL_EACH=1 each has a chain of its own.
ROUNDS = [[service] for service in SERVICES] if os.environ.get("SLIPWAY_KILL_EACH") else [SERVICES]


def kill(stack, service):
    """End the container's first process from outside, as a machine that is out of memory would.

    `docker kill` would tell the engine that somebody wants it stopped.
    """
    found = wait_for(lambda: running(stack, service), 120)
    process = Path(f"/proc/{found['State']['Pid']}")
    if os.geteuid() != 0 or found["Id"] not in (process / "cgroup").read_text():
        pytest.skip("the engine's processes are out of reach from here: this needs root beside a local engine")
    os.kill(int(process.name), signal.SIGKILL)
    wait_for(lambda: stack.containers()[service]["RestartCount"] > found["RestartCount"], 60)


def running(stack, service):
    """The container, once it has a process; one that is about to be started again has none."""
    found = stack.containers()[service]
    return found if found["State"]["Running"] and found["State"]["Pid"] > 0 else None


def jobs(stack):
    return docker("ps", "--all", "--quiet", "--filter", f"label=slipway.project={stack.name}").split()


def healthy(stack):
    states = {name: found["State"] for name, found in stack.containers().items() if name in SERVICES}
    return len(states) == len(SERVICES) and all(
        state["Running"] and state["Health"]["Status"] == "healthy" for state in states.values()
    )


def runs_of(stack, run):
    """Status by task of the MLflow runs of one DAG run, the parent among them."""
    experiment = stack.mlflow("GET", "experiments/get-by-name", params={"experiment_name": "bike_demand"})
    asked = {
        "experiment_ids": [experiment["experiment"]["experiment_id"]],
        "filter": f"tags.`slipway.run_id` = '{run}'",
        "max_results": 100,
    }
    found = stack.mlflow("POST", "runs/search", json=asked).get("runs", [])
    tags = [{tag["key"]: tag["value"] for tag in one["data"]["tags"]} for one in found]
    return sorted(
        (tag.get("slipway.task_id", "parent"), one["info"]["status"]) for tag, one in zip(tags, found, strict=True)
    )


@pytest.mark.parametrize("victims", ROUNDS, ids="-".join)
def test_killed_services_come_back_and_the_chain_ends_as_if_nothing_had_been(stack, chain, victims):
    assert "success" in chain["train"]["train"]
    asked = stack.airflow.post(
        "/dags/bike_demand.train/dagRuns", json={"logical_date": None, "conf": {"force": True}}
    ).json()
    path = f"/dags/bike_demand.train/dagRuns/{asked['dag_run_id']}"
    wait_for(lambda: jobs(stack), 120)
    for victim in victims:
        kill(stack, victim)
    wait_for(lambda: healthy(stack), 300)
    ended = wait_for(
        lambda: next((r for r in [stack.airflow.get(path).json()] if r["state"] in ("success", "failed")), None), 600
    )
    tasks = stack.airflow.get(f"{path}/taskInstances").json()["task_instances"]
    assert ended["state"] == "success", [(task["task_id"], task["state"], task["try_number"]) for task in tasks]
    assert sorted(task["task_id"] for task in tasks) == TASKS
    assert runs_of(stack, asked["dag_run_id"]) == [(name, "FINISHED") for name in ["parent", *TASKS]]
    assert jobs(stack) == []
