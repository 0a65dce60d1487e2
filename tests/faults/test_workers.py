"""Workers, schedulers and users that end a task: the job runs once, or is ended, and its log says why."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("nothing_left")]
ROUNDS = int(os.environ.get("SLIPWAY_FAULT_ROUNDS", "3"))
# SQLite bears no more.
AT_ONCE = 2
AWAY_SECONDS = float(os.environ.get("SLIPWAY_FAULT_AWAY_SECONDS", "6"))
JOB_SECONDS = 8
AWAY = [
    (how, when)
    for how in ("refuses", "paused")
    for when in ("before the job begins", "when it has ended")
    # The short form is two of the four.
    if AWAY_SECONDS > 10 or (how == "refuses") == (when == "before the job begins")
]


def container_of(client, run):
    found = client.containers(all=True, filters={"label": f"slipway.run_id={run}"})
    return found[0] if found else None


def running(airflow, client, run):
    """The run's container, once its job has begun."""
    airflow.wait_for(lambda: (one := container_of(client, run)) and one["State"] == "running", 60)
    return container_of(client, run)["Id"]


def starts(client, run, since):
    """How often the engine started a container of this run."""
    filters = {"type": "container", "event": "start", "label": f"slipway.run_id={run}"}
    return len(list(client.events(since=since, until=int(time.time()) + 1, filters=filters, decode=True)))


def tracked(mlflow, run):
    """Status of the one MLflow run of the run's task, and of the one above it."""
    (own,), (above,) = (
        mlflow.runs("probe", run_id=run, task_id="probe"),
        mlflow.runs("probe", run_id=run, parent="true"),
    )
    return own["status"], above["status"]


def killed_once(airflow, client, mlflow, seed):
    """One round: what the engine saw of it, and how it ended."""
    since, moment = int(time.time()) - 1, random.Random(seed).uniform(0, JOB_SECONDS + 1)  # noqa: S311
    run = airflow.trigger(f"sleeps {JOB_SECONDS}")
    airflow.wait_for(lambda: airflow.task(run)["state"] in ("running", "success"), 120)
    time.sleep(moment)
    before = container_of(client, run)
    for pid in airflow.worker_of(run):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return {
        "moment": round(moment, 1),
        "survived": bool(before and before["State"] == "running"),
        "state": airflow.ended(run),
        "starts": starts(client, run, since),
        "tries": airflow.task(run)["try_number"],
        "tracked": tracked(mlflow, run),
    }


def test_a_worker_that_is_killed_at_any_moment_costs_no_job_and_runs_none_twice(airflow, client, mlflow):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rounds = list(pool.map(lambda seed: killed_once(airflow, client, mlflow, seed), range(ROUNDS)))
    for one in rounds:
        print(one)
    assert [one for one in rounds if one["state"] != "success"] == []
    assert [one for one in rounds if one["survived"] and one["starts"] != 1] == []
    assert [one for one in rounds if one["starts"] > 2] == []
    assert {one["tracked"] for one in rounds} == {("FINISHED", "FINISHED")}
    assert any(one["survived"] and one["tries"] > 1 for one in rounds)


def test_a_worker_that_is_asked_to_stop_leaves_the_job_to_the_next_try(airflow, client):
    since = int(time.time()) - 1
    run = airflow.trigger("sleeps 12")
    container = running(airflow, client, run)
    os.kill(airflow.worker_of(run)[0], signal.SIGTERM)
    airflow.wait_for(lambda: airflow.task(run)["try_number"] == 2 or airflow.state_of(run) == "success", 60)
    assert airflow.ended(run) == "success"
    assert (starts(client, run, since), airflow.result(run)["seen"]["inputs"]["run"]["try_number"]) == (1, 1)
    assert "this worker was asked to stop, but the task is still running" in airflow.log(run)
    assert container_of(client, run) is None, container


def test_a_task_whose_supervisor_alone_is_killed_leaves_the_job_to_the_next_try(airflow, client):
    since = int(time.time()) - 1
    run = airflow.trigger("sleeps 20")
    running(airflow, client, run)
    supervisor, task = airflow.worker_of(run)
    os.kill(supervisor, signal.SIGKILL)
    airflow.wait_for(lambda: not Path(f"/proc/{task}").exists(), 10)
    assert airflow.ended(run) == "success"
    assert (starts(client, run, since), airflow.task(run)["try_number"]) == (1, 2)


def test_a_scheduler_that_is_killed_and_started_again_finds_the_job_where_it_was(airflow, client):
    since = int(time.time()) - 1
    run = airflow.trigger("sleeps 30")
    running(airflow, client, run)
    airflow.kill("scheduler")
    airflow.start("scheduler")
    assert airflow.ended(run) == "success"
    assert (starts(client, run, since), airflow.task(run)["try_number"]) == (1, 2)


@pytest.mark.parametrize("ends", ["sleeps 300", "ignores 300"])
def test_a_task_that_is_set_to_failed_ends_its_job_and_says_why(airflow, client, mlflow, ends):
    run = airflow.trigger(ends)
    running(airflow, client, run)
    path = f"/dags/probe.probe/dagRuns/{run}/taskInstances/probe"
    assert airflow.api.patch(path, json={"new_state": "failed"}).status_code == 200
    airflow.wait_for(lambda: container_of(client, run) is None, 10)
    airflow.wait_for(lambda: "probe: killed: its task was set to failed in Airflow while it ran" in airflow.log(run), 5)
    assert tracked(mlflow, run) == ("FAILED", "FAILED")


def test_a_deleted_dag_run_ends_its_job_and_says_why(airflow, client):
    run = airflow.trigger("sleeps 300")
    running(airflow, client, run)
    # Airflow deletes no run that goes on, so people end it first; both are done before the worker's next heartbeat.
    assert airflow.api.patch(f"/dags/probe.probe/dagRuns/{run}", json={"state": "failed"}).status_code == 200
    assert airflow.api.delete(f"/dags/probe.probe/dagRuns/{run}").status_code == 204
    airflow.wait_for(lambda: container_of(client, run) is None, 10)
    airflow.wait_for(lambda: "probe: killed: its task" in airflow.log(run), 5)


@pytest.mark.parametrize("ends", ["sleeps 300", "ignores 300"])
def test_a_job_past_its_timeout_ends_with_that_as_its_cause(airflow, client, ends):
    run = airflow.trigger(ends, timeout_seconds=10)
    running(airflow, client, run)
    airflow.wait_for(lambda: "probe: deadline: stopped after 10 s" in airflow.log(run), 40)
    path = f"/dags/probe.probe/dagRuns/{run}/taskInstances/probe"
    airflow.api.patch(path, json={"new_state": "failed"})
    airflow.wait_for(lambda: container_of(client, run) is None, 10)


@pytest.mark.parametrize(("how", "when"), AWAY)
def test_an_mlflow_that_is_away_costs_no_run_and_doubles_none(airflow, client, mlflow, how, when):
    if when == "before the job begins":
        with getattr(mlflow, how)(AWAY_SECONDS):
            run = airflow.trigger("sleeps 1", timeout_seconds=300)
            assert airflow.ended(run, 120 + AWAY_SECONDS) == "success"
    else:
        run = airflow.trigger("sleeps 3", timeout_seconds=300)
        running(airflow, client, run)
        with getattr(mlflow, how)(AWAY_SECONDS):
            assert airflow.ended(run, 120 + AWAY_SECONDS) == "success"
    assert tracked(mlflow, run) == ("FINISHED", "FINISHED")
    assert airflow.task(run)["try_number"] == 1


def test_an_mlflow_whose_answers_get_lost_has_one_run_for_each_task(airflow, mlflow):
    mlflow.loses(every=3)
    runs = [airflow.trigger("sleeps 1") for _ in range(3)]
    ends = [airflow.ended(run) for run in runs]
    mlflow.behaves()
    assert ends == ["success"] * 3
    assert [tracked(mlflow, run) for run in runs] == [("FINISHED", "FINISHED")] * 3
