"""One MLflow run per task instance, whatever MLflow, tries and neighbours do meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow_gate import serving

from slipway import tracked
from slipway.errors import SettingsError, TrackingAwayError, TrackingRefusedError
from slipway.mlflow_session import Session
from slipway.tracked import Closing
from slipway.tracking_address import Tracking

IMAGE = {"name": "data", "version": "0.1.0", "id": "sha256:1", "revision": "abc", "lock": "def"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("mlflow")) as mlflow:
        yield mlflow


@pytest.fixture
def mlflow(server):
    server.behaves()
    yield server
    server.behaves()


@pytest.fixture
def name(request):
    """An experiment of the test's own."""
    return request.node.name


def session(mlflow, **options):
    return Session(Tracking(mlflow.url, mlflow.url, None), **options)


def inputs(name, task="train", try_number=1):
    run = {"dag_id": f"{name}.train", "run_id": "manual__1", "task_id": task, "map_index": -1}
    run |= {"try_number": try_number, "requested_at": "2026-01-02T03:04:05+00:00"}
    return {"job": task, "pipeline": name, "parameters": {"days": 3, "since": None}, "run": run, "image": IMAGE}


DONE = Closing("FINISHED", {"slipway.status": "done"}, {"receipt_run_seconds": 1.5}, parameters={"days": "3"})
FAILED = Closing("FAILED", {"slipway.status": "failed", "slipway.error": "no", "slipway.failure_kind": "deadline"})


def parents(mlflow, name):
    return mlflow.runs(name, parent="true")


def test_a_run_lies_below_that_of_its_dag_run_and_says_where_it_is_from(mlflow, name):
    run = tracked.open_run(session(mlflow), inputs(name))
    (parent,), (own,) = parents(mlflow, name), mlflow.runs(name, task_id="train")
    assert (own["run_id"], own["tags"]["mlflow.parentRunId"]) == (run.run_id, parent["run_id"])
    assert (own["run_name"], parent["run_name"]) == ("train 2026-01-02 03:04", f"{name}.train 2026-01-02 03:04")
    assert {own["status"], parent["status"]} == {"RUNNING"}
    assert (own["tags"]["slipway.image"], own["tags"]["slipway.tries"]) == ("data/0.1.0", "1")
    run.close(DONE)
    (parent,), (own,) = parents(mlflow, name), mlflow.runs(name, task_id="train")
    assert (own["status"], parent["status"], own["params"]) == ("FINISHED", "FINISHED", {"days": "3"})
    assert own["metrics"] == {"receipt_run_seconds": 1.5}


def test_a_retry_takes_the_same_run_and_forgets_how_the_first_try_ended(mlflow, name):
    first = tracked.open_run(session(mlflow), inputs(name))
    first.close(FAILED)
    assert [run["status"] for run in mlflow.runs(name)] == ["FAILED", "FAILED"]
    second = tracked.open_run(session(mlflow), inputs(name, try_number=2))
    (own,) = mlflow.runs(name, task_id="train")
    assert (second.run_id, own["status"], own["tags"]["slipway.tries"]) == (first.run_id, "RUNNING", "1,2")
    assert not {"slipway.error", "slipway.status", "slipway.failure_kind"} & own["tags"].keys()


def test_a_worker_has_the_last_word_over_a_reaper_that_took_it_for_dead(mlflow, name):
    run = tracked.open_run(session(mlflow), inputs(name), container=64 * "a")
    (own,) = mlflow.runs(name, task_id="train")
    assert own["tags"]["slipway.container"] == 12 * "a"
    run.end(FAILED)
    run.close(DONE)
    (own,) = mlflow.runs(name, task_id="train")
    assert (own["status"], own["params"], own["tags"]["slipway.status"]) == ("FINISHED", {"days": "3"}, "done")
    assert not {"slipway.error", "slipway.failure_kind"} & own["tags"].keys()


def test_the_run_above_ends_with_the_last_of_its_own_and_fails_with_any(mlflow, name):
    one, two = (tracked.open_run(session(mlflow), inputs(name, task)) for task in ("train", "promote"))
    one.close(FAILED)
    assert parents(mlflow, name)[0]["status"] == "RUNNING"
    two.close(DONE)
    assert parents(mlflow, name)[0]["status"] == "FAILED"


def test_a_task_whose_neighbour_ends_while_it_tells_the_run_above_leaves_that_ended(mlflow, name, monkeypatch):
    one, two = (tracked.open_run(session(mlflow), inputs(name, task)) for task in ("train", "promote"))
    tell, ended = one.status, []

    def late(run_id, status, end_time=None):
        # It has seen that the other one goes on, and says so after that has ended.
        if run_id == one.parent_id and not ended:
            ended.append(two.close(DONE))
        tell(run_id, status, end_time)

    monkeypatch.setattr(one, "status", late)
    one.close(DONE)
    assert len(ended) == 1
    assert {run["status"] for run in mlflow.runs(name)} == {"FINISHED"}


def test_tasks_that_begin_at_the_same_moment_agree_on_one_run_above(mlflow, name):
    together = threading.Barrier(6)

    def whole(task):
        own = session(mlflow)
        tracked.experiment_of(own, name)
        together.wait(20)
        run = tracked.open_run(own, inputs(name, task))
        run.close(DONE)
        return run

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(whole, [f"task{number}" for number in range(6)]))
    (parent,) = parents(mlflow, name)
    children = [run for run in mlflow.runs(name) if run["run_id"] != parent["run_id"]]
    assert [run["tags"]["mlflow.parentRunId"] for run in children] == [parent["run_id"]] * 6
    assert {run["status"] for run in mlflow.runs(name)} == {"FINISHED"}


def test_a_run_that_was_made_late_of_a_request_that_seemed_lost_is_removed(mlflow, name):
    run = tracked.open_run(session(mlflow), inputs(name))
    tags = [{"key": key, "value": value} for key, value in tracked.identity_tags(inputs(name)).items()]
    for copied in (tags, [*tags[:2], {"key": "slipway.parent", "value": "true"}]):
        made = {"experiment_id": run.experiment_id, "start_time": int(time.time() * 1000), "tags": copied}
        mlflow.ask("POST", "runs/create", json=made)
    run.close(DONE)
    assert {one["run_id"] for one in mlflow.runs(name)} == {run.run_id, run.parent_id}
    assert {one["status"] for one in mlflow.runs(name)} == {"FINISHED"}


@pytest.mark.parametrize("every", [1, 2, 3])
def test_answers_that_get_lost_make_no_second_run(mlflow, name, every):
    # Where each answer is lost there is an end to it.
    until = time.monotonic() + 3
    counted = iter(range(10**9))
    mlflow.behaves(lambda path: "lost" if next(counted) % every == 0 and time.monotonic() < until else None)
    run = tracked.open_run(session(mlflow), inputs(name))
    run.close(DONE)
    assert {one["run_id"]: one["status"] for one in mlflow.runs(name)} == {
        run.run_id: "FINISHED",
        run.parent_id: "FINISHED",
    }


def test_an_mlflow_that_refuses_for_a_while_is_waited_for(mlflow, name):
    with mlflow.refuses(3):
        run = tracked.open_run(session(mlflow), inputs(name))
    with mlflow.refuses(3):
        run.close(DONE)
    assert [one["status"] for one in mlflow.runs(name)] == ["FINISHED"] * 2


def test_an_mlflow_that_stands_still_for_a_while_is_waited_for(mlflow, name):
    patient = session(mlflow)
    patient.timeout_seconds = 1.0
    with mlflow.paused(5):
        run = tracked.open_run(patient, inputs(name))
    run.close(DONE)
    assert {one["run_id"] for one in mlflow.runs(name)} == {run.run_id, run.parent_id}


def test_patience_has_an_end_and_a_stop_ends_it_at_once(mlflow, name):
    with mlflow.refuses(60):
        with pytest.raises(TrackingAwayError, match="did not answer"):
            tracked.open_run(session(mlflow, patience_seconds=1), inputs(name))

        def stop():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tracked.open_run(session(mlflow, interrupted=stop), inputs(name))
        hurried, asked = session(mlflow), len(mlflow.gate.asked)
        hurried.hurry(0.5)
        with pytest.raises(TrackingAwayError):
            hurried.ask("GET", "/version")
        assert len(mlflow.gate.asked) == asked + 1


def test_what_mlflow_refuses_is_not_asked_again(mlflow):
    with pytest.raises(TrackingRefusedError, match=r"refuses /api/2.0/mlflow/runs/search"):
        tracked.search(session(mlflow), "no-such-id", "tags.`a` ~ 1")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_dag_run_may_be_named_with_a_quote(mlflow, name, quote):
    named = inputs(name)
    named["run"]["run_id"] = f"it{quote}s"
    run = tracked.open_run(session(mlflow, patience_seconds=5), named)
    run.close(DONE)
    assert {one["run_id"] for one in mlflow.runs(name)} == {run.run_id, run.parent_id}


def test_a_dag_run_that_mlflow_can_not_be_asked_for_is_refused(mlflow, name):
    named = inputs(name)
    named["run"]["run_id"] = 'it\'s "it"'
    with pytest.raises(TrackingRefusedError, match="one kind of quotes"):
        tracked.open_run(session(mlflow), named)


def test_a_deleted_experiment_is_named(mlflow, name):
    run = tracked.open_run(session(mlflow), inputs(name))
    mlflow.ask("POST", "experiments/delete", json={"experiment_id": run.experiment_id})
    with pytest.raises(SettingsError, match="is deleted: restore it or rename the pipeline"):
        tracked.open_run(session(mlflow), inputs(name))


def test_the_address_that_answers_is_kept(mlflow, name):
    away = "http://127.0.0.1:9"
    run = tracked.open_run(Session(Tracking(away, mlflow.url, None)), inputs(name))
    assert run.session.addresses == [mlflow.url]
