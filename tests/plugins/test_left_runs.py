"""MLflow runs that nobody closed, in a real MLflow; states of tasks are given as they would be told."""

import json
import time
from contextlib import closing

import httpx
import pytest

from slipway import left_runs, mlflow_rest, reaper, settings, tracking_address
from slipway.ended import Ended
from slipway.left_on_engine import Looked, Uncollected
from slipway.mlflow_session import Session
from slipway.pipelines import Pipeline
from slipway.reaper import Round
from slipway.reaping import Task

API = "/api/2.0/mlflow"
HERE = "http://localhost:8080/dags/bike.train/runs/one"
CONTAINER = 8 * "c0ffee42"
PIPELINE = Pipeline("bike", settings.ROOT, {})


@pytest.fixture(scope="module")
def deployed(tracking_deployed, airflow_db):
    """The same, as Airflow's Variable tells of it."""
    with pytest.MonkeyPatch.context() as patch:
        address = {"MLFLOW_TRACKING_URI": tracking_deployed.mlflow_url}
        patch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps(address))
        yield tracking_deployed


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 0.1)


@pytest.fixture
def runs(deployed, request):
    """Makes runs of a DAG run that is this test's own."""
    return Runs(deployed.mlflow_url, request.node.name)


class Runs:
    def __init__(self, url, dag_run):
        self.url, self.dag_run = url, dag_run
        mlflow_rest.ask(url, "GET", f"{API}/experiments/get-by-name", params={"experiment_name": "bike"}) or self.post(
            "experiments/create", name="bike"
        )
        self.experiment = mlflow_rest.experiment_id(url, "bike")

    def post(self, path, **body):
        return mlflow_rest.ask(self.url, "POST", f"{API}/{path}", json=body)

    def make(self, age=600, airflow=HERE, **tags):
        """A run that says RUNNING and began so many seconds ago."""
        named = {"dag_id": "bike.train", "run_id": self.dag_run, **tags}
        listed = {f"slipway.{name}": value for name, value in named.items()} | {"slipway.airflow_url": airflow}
        made = self.post(
            "runs/create",
            experiment_id=self.experiment,
            start_time=int((time.time() - age) * 1000),
            tags=[{"key": name, "value": value} for name, value in listed.items()],
        )
        return made["run"]["info"]["run_id"]

    def child(self, task_id="train", **more):
        return self.make(task_id=task_id, map_index="-1", **more)

    def parent(self):
        return self.make(parent="true")

    def end(self, run, status):
        self.post("runs/update", run_id=run, status=status)

    def told(self, run):
        """Status and Slipway's own words on a run."""
        found = mlflow_rest.ask(self.url, "GET", f"{API}/runs/get", params={"run_id": run})["run"]
        tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
        words = ("status", "error", "failure_kind", "reason")
        return found["info"]["status"], {name: tags[f"slipway.{name}"] for name in words if f"slipway.{name}" in tags}

    def statuses(self, *asked):
        return [self.told(run)[0] for run in asked]


def reap(deployed, runs, states, remove=True):
    def told(dag_id, run_id):
        # Runs of the other tests belong to tasks that go on.
        return states if run_id == runs.dag_run else None

    one, lines = Round(deployed, [PIPELINE], told), []
    one.reap(lines.append, remove)
    assert one.faults == []
    return lines


def test_a_run_whose_task_failed_is_closed_as_failed_with_its_reason(deployed, runs):
    parent, child = runs.parent(), runs.child()
    assert reap(deployed, runs, {"train": "failed"}) == [
        f"closed MLflow run {child} of bike.train, task train of {runs.dag_run}: its task is failed",
        f"closed MLflow run {parent} of bike.train, {runs.dag_run}: all tasks of that DAG run are over",
    ]
    why = "the job's container is gone and its task is failed: nobody closed this run"
    assert runs.told(child) == ("FAILED", {"status": "failed", "error": why, "failure_kind": "lost"})
    assert runs.told(parent) == ("FAILED", {})
    assert reap(deployed, runs, {"train": "failed"}) == []


def test_a_run_whose_dag_run_is_gone_is_closed_as_failed(deployed, runs):
    child = runs.child()
    reap(deployed, runs, {})
    status, words = runs.told(child)
    assert (status, "its task is gone from Airflow" in words["error"]) == ("FAILED", True)


def test_a_run_whose_task_succeeded_is_closed_as_finished(deployed, runs):
    parent, child = runs.parent(), runs.child()
    reap(deployed, runs, {"train": "success"})
    assert runs.statuses(parent, child) == ["FINISHED", "FINISHED"]
    assert runs.told(child)[1]["status"] == "done"


def test_a_dry_run_closes_nothing(deployed, runs):
    child = runs.child()
    (line,) = reap(deployed, runs, {"train": "failed"}, remove=False)
    assert line.startswith(f"would close MLflow run {child} of bike.train")
    assert runs.statuses(child) == ["RUNNING"]
    runs.end(child, "FAILED")


@pytest.mark.parametrize("state", ["running", "up_for_retry", None])
def test_a_run_whose_task_goes_on_is_left_with_its_parent(deployed, runs, state):
    parent, child = runs.parent(), runs.child()
    assert reap(deployed, runs, {"train": state}) == []
    assert runs.statuses(parent, child) == ["RUNNING", "RUNNING"]


def test_a_parent_waits_for_all_tasks_of_its_dag_run(deployed, runs):
    parent, child = runs.parent(), runs.child()
    reap(deployed, runs, {"train": "failed", "promote": "queued"})
    assert runs.statuses(parent, child) == ["RUNNING", "FAILED"]
    reap(deployed, runs, {"train": "failed", "promote": "upstream_failed"})
    assert runs.statuses(parent) == ["FAILED"]


def test_a_parent_of_runs_that_ended_well_is_finished(deployed, runs):
    parent, child = runs.parent(), runs.child()
    runs.end(child, "FINISHED")
    reap(deployed, runs, {"train": "success", "promote": "skipped"})
    assert runs.statuses(parent) == ["FINISHED"]


@pytest.mark.parametrize("airflow", ["", "http://localhost:80800/dags", "https://airflow.example.org/dags"])
def test_a_run_of_another_airflow_is_left(deployed, runs, airflow):
    child = runs.child(airflow=airflow)
    assert reap(deployed, runs, {}) == []
    assert runs.statuses(child) == ["RUNNING"]


@pytest.fixture
def look(deployed, runs):
    """What of this test's runs may be closed, as its task failed, by how its container is."""
    with closing(Session(tracking_address.of_pipeline(PIPELINE))) as session:
        yield lambda looked: left_runs.look(
            session, PIPELINE, lambda _, run: {"train": "failed"} if run == runs.dag_run else None, looked
        )


def test_a_run_whose_container_stays_is_left(runs, look):
    child = runs.child()
    assert look(Looked(kept={Task("bike.train", runs.dag_run, "train", "-1")})) == []
    (found,) = look(Looked())
    assert child in found.what


def test_a_job_that_closed_its_run_meanwhile_keeps_the_last_word(runs, look):
    child = runs.child()
    (found,) = look(Looked())
    runs.end(child, "KILLED")
    found.remove()
    assert runs.told(child) == ("KILLED", {})


def uncollected(runs, exit_code, outputs=None, out_of_memory=False, last=""):
    """A container that stays, as its task may come back, and how it ended."""
    task = Task("bike.train", runs.dag_run, "train", "-1")
    ended = Ended(exit_code, outputs and json.dumps(outputs | {"closed": True}), out_of_memory)
    return Looked(kept={task}, uncollected={task: Uncollected(CONTAINER, "train", 2**30, ended, last)})


@pytest.mark.parametrize(
    ("how", "kind", "error"),
    [
        ({"exit_code": 137, "out_of_memory": True}, "out_of_memory", "train: out of memory at its limit of 1.0 GiB"),
        ({"exit_code": 137}, "killed", "train: killed (exit code 137) before it wrote its outputs.json"),
        ({"exit_code": 65, "outputs": {"error": {"message": "no s3cr3t"}}}, "bad_data", "train: bad data: no ***"),
        ({"exit_code": 3, "outputs": {"error": "a bare text"}}, "exit_code", "train: exit code 3: a bare text"),
    ],
)
def test_a_job_that_died_and_that_nobody_comes_for_tells_why(runs, look, monkeypatch, how, kind, error):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_SECRETS", json.dumps({"KEY": "s3cr3t"}))
    child = runs.child(container=CONTAINER[:12])
    (found,) = look(uncollected(runs, **how, last="reads s3cr3t\n"))
    assert error in str(found)
    found.remove()
    status, words = runs.told(child)
    assert (status, words["status"], words["failure_kind"]) == ("FAILED", "failed", kind)
    assert words["error"].startswith(error)
    asked = {"path": "slipway/log_tail.txt", "run_uuid": child}
    assert httpx.get(f"{runs.url}/get-artifact", params=asked).text == "reads ***\n"


def test_a_job_that_runs_past_its_deadline_without_a_worker_tells_that(runs, look):
    child = runs.child(container=CONTAINER[:12])
    task, far = Task("bike.train", runs.dag_run, "train", "-1"), "it has run for 90 s, and its deadline was 10 s"
    assert look(Looked(kept={task}, late={task: ("another", far)})) == []
    (found,) = look(Looked(late={task: (CONTAINER, far)}))
    found.remove()
    why = "deadline: it has run for 90 s, and its deadline was 10 s, and no worker stopped it"
    assert runs.told(child) == ("FAILED", {"status": "failed", "error": why, "failure_kind": "deadline"})


def test_a_container_of_an_older_try_on_another_engine_ends_no_run(runs, look):
    child = runs.child(container="0123456789ab")
    assert look(uncollected(runs, 137)) == []
    assert runs.statuses(child) == ["RUNNING"]


@pytest.mark.parametrize("tag", ["slipway.tries", "slipway.container"])
def test_a_try_that_begins_after_the_look_keeps_its_run(runs, look, tag):
    child = runs.child(container=CONTAINER[:12], tries="1")
    (found,) = look(uncollected(runs, 137))
    runs.post("runs/set-tag", run_id=child, key=tag, value="1,2")
    found.remove()
    assert runs.statuses(child) == ["RUNNING"]


@pytest.mark.parametrize("exit_code", [0, 99])
def test_a_result_that_waits_for_the_next_try_is_left_with_its_run(runs, look, exit_code):
    child = runs.child(container=CONTAINER[:12])
    assert look(uncollected(runs, exit_code, {"status": "done"})) == []
    assert runs.statuses(child) == ["RUNNING"]


def test_a_run_id_with_a_quote_in_it_breaks_no_search(deployed, runs):
    runs.dag_run = "it's"
    parent, child = runs.parent(), runs.child()
    reap(deployed, runs, {"train": "failed"})
    assert runs.statuses(parent, child) == ["FAILED", "FAILED"]


def test_an_mlflow_that_is_away_is_told(deployed, runs, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}))
    one = Round(deployed, [PIPELINE], lambda *_: {})
    one.reap(print)
    (fault,) = one.faults
    assert "MLflow at http://127.0.0.1:9 did not answer" in fault


def test_before_anybody_said_where_mlflow_is_there_is_nothing_to_look_at(deployed, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", "{}")
    one = Round(deployed, [PIPELINE], lambda *_: {})
    one.reap(print)
    assert one.faults == []
