"""The inputs of past runs, asked of a real MLflow."""

import json
from typing import Any

import pytest

from slipway import mlflow_rest
from slipway.embedded import past_inputs
from slipway.errors import TrackingAwayError, UnknownRunError

INPUTS = {"slipway": 1, "job": "train", "parameters": {"seed": 7}, "run": {"airflow_url": "é"}}
AIRFLOW_RUN = "manual__2026-11-21T03:45:00+00:00"


def tracked(mlflow: str, **tags: str) -> str:
    """A new run with these tags; its ID."""
    body: dict[str, Any] = {"experiment_id": "0", "tags": [{"key": key, "value": tags[key]} for key in tags]}
    return mlflow_rest.ask(mlflow, "POST", "/api/2.0/mlflow/runs/create", json=body)["run"]["info"]["run_id"]


@pytest.fixture(scope="module")
def run(mlflow) -> str:
    """A run of a task that holds its inputs."""
    run = tracked(mlflow, **{"slipway.run_id": AIRFLOW_RUN, "slipway.task_id": "train"})
    with mlflow_rest.client(mlflow) as client:
        path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/slipway/inputs.json"
        client.put(path, content=json.dumps(INPUTS)).raise_for_status()
    return run


def test_the_inputs_of_a_run_come_back_as_they_were_given(mlflow, run):
    assert past_inputs.of(mlflow, run) == INPUTS


def test_a_task_of_an_airflow_run_is_found_by_its_tags(mlflow, run):
    assert past_inputs.of(mlflow, AIRFLOW_RUN, "train") == INPUTS


def test_the_hint_names_the_job():
    hint = past_inputs.by_hand("abc", INPUTS)
    assert hint.endswith("slipway inputs abc > inputs.json; python -m jobs.train --inputs inputs.json")


@pytest.mark.parametrize(
    ("name", "task", "says"),
    [
        ("0" * 32, None, "has no run '0{32}'"),
        ("nonsense", None, "add `--task TASK`"),
        (AIRFLOW_RUN, "predict", r"has no run of task 'predict' .*: copy the Run ID"),
        ("x' OR '1", "train", r"is neither an MLflow run ID .*: copy the Run ID"),
    ],
)
def test_an_unknown_run_is_told(mlflow, run, name, task, says):
    with pytest.raises(UnknownRunError, match=says):
        past_inputs.of(mlflow, name, task)


def test_a_run_that_no_job_of_slipway_made_is_told(mlflow):
    with pytest.raises(UnknownRunError, match=r"holds no slipway/inputs.json"):
        past_inputs.of(mlflow, tracked(mlflow))


def test_mlflow_away_says_how_to_start_it():
    with pytest.raises(TrackingAwayError, match="start it with `make mlflow`"):
        past_inputs.of("http://127.0.0.1:1", "0" * 32)


def test_a_run_that_was_left_open_is_ended_by_its_tag(mlflow):
    ours, other = tracked(mlflow, **{"slipway.replay": "0123"}), tracked(mlflow, **{"slipway.replay": "4567"})
    mlflow_rest.end_tagged(mlflow, {"slipway.replay": "0123"})
    runs = [mlflow_rest.ask(mlflow, "GET", "/api/2.0/mlflow/runs/get", params={"run_id": run}) for run in (ours, other)]
    assert [run["run"]["info"]["status"] for run in runs] == ["FAILED", "RUNNING"]
