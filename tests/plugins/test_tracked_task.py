"""What MLflow holds of a job that knows nothing of MLflow, however its task ends."""

import json
import time

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowTaskTimeout
from mlflow_gate import serving
from probe_runs import Instance, Store, of_the_probe
from probe_tries import Try

from slipway.contracts import Reuse
from slipway.failures import BadDataError, DeadlineError, JobKilledError, NothingToDo
from slipway.task_tracking import TaskTracking
from slipway.tracking_address import Tracking

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("mlflow")) as mlflow:
        yield mlflow


@pytest.fixture
def mlflow(server, in_docker, monkeypatch):
    """An MLflow that the task reaches, and the probe does not."""
    address = {"MLFLOW_TRACKING_URI": "http://nowhere.invalid:1", "MLFLOW_PUBLIC_URL": server.url}
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"GREETING": "hello", **address}))
    server.behaves()
    yield server
    server.behaves()


class Known(Instance):
    """A task instance of a DAG run of its own."""

    def __init__(self, run_id, **options):
        super().__init__(**options)
        self.run_id = run_id


def own(mlflow, run_id):
    (run,) = mlflow.runs("probe", run_id=run_id, task_id="probe")
    return run


def above(mlflow, run_id):
    (run,) = mlflow.runs("probe", run_id=run_id, parent="true")
    return run


def test_a_job_that_is_done_has_a_run_with_all_that_it_left(mlflow):
    outputs = Try("done", Known("done", store=Store())).ended()
    run = own(mlflow, "done")
    assert outputs["mlflow"]["run_id"] == outputs["seen"]["inputs"]["mlflow"]["run_id"] == run["run_id"]
    assert (run["status"], above(mlflow, "done")["status"]) == ("FINISHED", "FINISHED")
    assert (run["tags"]["slipway.status"], run["tags"]["slipway.reason"]) == ("done", "asked to")
    assert run["params"]["ends"] == "done"
    assert {"receipt_run_seconds", "receipt_start_seconds", "receipt_peak_memory_bytes"} <= run["metrics"].keys()
    assert json.loads(mlflow.artifact(run["run_id"], "slipway/outputs.json"))["closed"] is True
    assert "mlflow" not in json.loads(mlflow.artifact(run["run_id"], "slipway/inputs.json"))


def test_a_job_with_nothing_to_do_has_a_run_that_says_so(mlflow):
    assert type(Try("nothing to do", Known("nothing", store=Store())).ended()) is NothingToDo
    run = own(mlflow, "nothing")
    assert (run["status"], run["tags"]["slipway.status"]) == ("FINISHED", "nothing_to_do")


def test_a_failure_is_on_the_run_with_its_kind_and_the_last_lines(mlflow):
    came = Try("bad data", Known("bad", store=Store())).ended()
    run = own(mlflow, "bad")
    assert (type(came), run["status"], above(mlflow, "bad")["status"]) == (BadDataError, "FAILED", "FAILED")
    assert (run["tags"]["slipway.failure_kind"], run["tags"]["slipway.error"]) == ("bad_data", str(came))
    assert mlflow.artifact(run["run_id"], "slipway/log_tail.txt") == "probe runs bad data ***"


def test_a_job_past_its_time_is_a_failed_run(mlflow):
    assert type(Try("sleeps", Known("late", store=Store()), timeout_seconds=2).ended()) is DeadlineError
    run = own(mlflow, "late")
    assert (run["status"], run["tags"]["slipway.failure_kind"]) == ("FAILED", "deadline")


def test_a_job_that_another_try_takes_over_stays_one_run(mlflow):
    store = Store()
    left = Try("sleeps 4", Known("over", try_number=1, store=store)).began().told()
    run = own(mlflow, "over")
    assert (run["status"], "the next try takes it over" in str(left)) == ("RUNNING", True)
    assert Try("sleeps 4", Known("over", store=store)).ended()["status"] == "done"
    after = own(mlflow, "over")
    assert (after["run_id"], after["status"], after["tags"]["slipway.tries"]) == (run["run_id"], "FINISHED", "1,2")


@pytest.mark.parametrize("away", [False, True])
def test_a_task_that_is_killed_is_over_within_seconds_also_where_mlflow_is_away(mlflow, away):
    running = Try("ignores", Known(f"killed {away}", store=Store(), state="failed")).began()
    if away:
        mlflow.behaves(lambda path: "503")
    asked = time.monotonic()
    came = running.told()
    assert time.monotonic() - asked < 5
    assert type(came) is JobKilledError
    mlflow.behaves()
    run = own(mlflow, f"killed {away}")
    assert run["status"] == ("RUNNING" if away else "FAILED")
    assert run["tags"].get("slipway.failure_kind") == (None if away else "killed")


def test_an_mlflow_that_is_away_for_a_while_loses_and_doubles_nothing(mlflow):
    with mlflow.refuses(4):
        running = Try("sleeps 2", Known("away", store=Store())).began()
    with mlflow.refuses(6):
        assert running.ended()["status"] == "done"
    assert own(mlflow, "away")["status"] == "FINISHED"


def test_a_stop_while_mlflow_is_waited_for_leaves_no_container(mlflow, client):
    mlflow.behaves(lambda path: "503")
    waiting = Try("done", Known("stopped", store=Store(), state="failed"))
    until = time.monotonic() + 20
    while not of_the_probe(client):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert type(waiting.told()) is JobKilledError


def test_what_a_dead_worker_collected_closes_the_run_that_it_left_open(mlflow):
    store = Store()
    deserted_run = Try("sleeps 1", Known("kept", try_number=1, store=store)).began().told()
    assert "takes it over" in str(deserted_run)
    time.sleep(2)
    assert Try("sleeps 1", Known("kept", store=store)).ended()["status"] == "done"
    assert own(mlflow, "kept")["status"] == "FINISHED"


def test_the_end_of_a_tasks_time_while_mlflow_is_waited_for_takes_no_result_away(mlflow):
    def out_of_time():
        raise AirflowTaskTimeout("Timeout")

    said, inputs = [], {"job": "probe", "pipeline": "probe", "image": {}, "run": run_identity(Known("late end"))}
    tracking = TaskTracking(Tracking(mlflow.url, mlflow.url, None), lambda: None, said.append)
    tracking.open(inputs)
    tracking.session.interrupted = out_of_time
    mlflow.behaves(lambda path: "503")
    tracking.close({"status": "done"}, None, {}, [])
    assert said == ["the MLflow run could not be closed now, `slipway reap` will do it: Timeout"]


def run_identity(instance):
    names = ("dag_id", "run_id", "task_id", "map_index", "try_number")
    return {name: getattr(instance, name) for name in names} | {"requested_at": None}


def reusing(run_id, **options):
    """The probe as a job whose result rests on its image and parameters alone."""
    made = Try("done", Known(run_id, store=Store()), reuse=Reuse(), **options)
    return made, made.ended()


def test_what_rests_on_the_same_is_not_run_again_and_has_a_run_that_names_the_older(mlflow, client):
    _, first = reusing("once")
    again, second = reusing("twice")
    assert [line for line in again.task.lines if line.startswith("probe runs")] == []
    assert (second["status"], second["reused"]["run_id"]) == ("unchanged", first["mlflow"]["run_id"])
    run = own(mlflow, "twice")
    assert (run["status"], run["tags"]["slipway.reused"]) == ("FINISHED", first["mlflow"]["run_id"])
    assert second["mlflow"]["run_id"] == run["run_id"] != first["mlflow"]["run_id"]


def test_a_task_with_an_asset_is_skipped_where_nothing_is_new(mlflow):
    reusing("new")
    _, again = reusing("not new", outlets=[Asset("probe.raw")])
    assert type(again) is NothingToDo
    assert again.outputs["status"] == "unchanged"
