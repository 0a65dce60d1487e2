"""The inputs of a past run, to look at it again or to run its job by hand."""

import re
from typing import Any

from slipway import mlflow_rest
from slipway.errors import UnknownRunError

RUN_ID = re.compile(r"[0-9a-f]{32}")
# Both go into a filter that MLflow parses, so quotes stay outside.
AIRFLOW_RUN_ID = re.compile(r"[\w.:+~@/-]{1,250}")
WHERE = "copy the Run ID from the run's page in MLflow, or Airflow's from its DAG run with `--task` and the task's name"


def of(url: str, run: str, task: str | None = None, login: mlflow_rest.Login = None) -> dict[str, Any]:
    """The inputs.json of an MLflow run, or of one task of an Airflow run.

    Raises UnknownRunError or TrackingAwayError.
    """
    known = run if RUN_ID.fullmatch(run) else mlflow_run(url, run, task, login)
    return mlflow_rest.inputs_of(url, known, login)


def mlflow_run(url: str, run: str, task: str | None, login: mlflow_rest.Login = None) -> str:
    """The MLflow run of a task of an Airflow run; the newest where several DAGs have a run of that name."""
    if not AIRFLOW_RUN_ID.fullmatch(run) or (task and not AIRFLOW_RUN_ID.fullmatch(task)):
        raise UnknownRunError(f"{run!r} is neither an MLflow run ID (32 hex digits) nor an Airflow run ID: {WHERE}")
    if task is None:
        raise UnknownRunError(f"{run!r} is no MLflow run ID (32 hex digits): for an Airflow run, add `--task TASK`")
    found = mlflow_rest.runs_tagged(url, {"slipway.run_id": run, "slipway.task_id": task}, login)
    if not found:
        raise UnknownRunError(f"MLflow at {url} has no run of task {task!r} in Airflow's run {run!r}: {WHERE}")
    return str(found[0]["info"]["run_id"])


def by_hand(run: str, inputs: dict[str, Any], task: str | None = None) -> str:
    """How to run that job again by hand."""
    asked = f"slipway inputs {run}" + (f" --task {task}" if task else "")
    return f"to run it by hand: {asked} > inputs.json; python -m jobs.{inputs['job']} --inputs inputs.json"
