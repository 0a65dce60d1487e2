"""MLflow runs that say RUNNING although nothing is left that could end them; closed as their task ended."""

import time
from collections.abc import Callable, Collection
from typing import Any

from airflow.sdk.configuration import conf

from slipway import mlflow_rest, reaping, tracked
from slipway.left_on_engine import Left
from slipway.pipelines import Pipeline
from slipway.reaping import Task
from slipway.task_states import States
from slipway.tracked import Found
from slipway.tracking_address import Tracking

SEARCH, GET = "/api/2.0/mlflow/runs/search", "/api/2.0/mlflow/runs/get"
UPDATE, LOG = "/api/2.0/mlflow/runs/update", "/api/2.0/mlflow/runs/log-batch"
# A run that has just begun may be of a try that Airflow has not told of yet.
FRESH_SECONDS = 60
GONE_WELL = ("success", "skipped")
MOST = 1000


def look(tracking: Tracking, pipeline: Pipeline, states: States, kept: set[Task]) -> list[Left]:
    """Runs of tasks, then those of their DAG runs; `kept` are the tasks whose containers stay.

    Raises TrackingAwayError when MLflow does not answer.
    """
    experiment = tracking.ask(lambda url: mlflow_rest.experiment_id(url, pipeline.name, tracking.login))
    if experiment is None:
        return []
    runs = search(tracking, experiment, f"attributes.status = 'RUNNING' and attributes.start_time < {before()}")
    mine = [run for run in runs if is_ours(run)]
    left = {run.run_id: found for run in mine if (found := left_child(tracking, run, states, kept))}
    parents = [left_parent(tracking, experiment, run, states, left.keys()) for run in mine]
    return [*left.values(), *filter(None, parents)]


def before() -> int:
    return int((time.time() - FRESH_SECONDS) * 1000)


def search(tracking: Tracking, experiment: str, words: str) -> list[Found]:
    asked = {"experiment_ids": [experiment], "filter": words, "max_results": MOST}
    return [Found.of(run) for run in (post(tracking, SEARCH, asked) or {}).get("runs", [])]


def is_ours(run: Found) -> bool:
    """Whether this Airflow's task made it: another that shares the MLflow knows its own tasks."""
    address = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
    return bool(run.tags.get("slipway.airflow_url", "").startswith(f"{address}/"))


def left_child(tracking: Tracking, run: Found, states: States, kept: set[Task]) -> Left | None:
    task = reaping.task_of(run.tags)
    why = None if task is None or task in kept else reaping.over(task, states)
    if task is None or why is None:
        return None
    state = (states(task.dag_id, task.run_id) or {}).get(task.name)
    ended = "FINISHED" if state in GONE_WELL else "FAILED"
    return Left(f"MLflow run {run.run_id}", str(task), why, closing(tracking, run.run_id, ended, why), "close")


def closing(tracking: Tracking, run: str, ended: str, why: str) -> Callable[[], None]:
    told = f"the job's container is gone and {why}: nobody closed this run"
    failed = {"slipway.status": "failed", "slipway.error": told, "slipway.failure_kind": "lost"}
    tags = failed if ended == "FAILED" else {"slipway.status": "done", "slipway.reason": told}

    def close() -> None:
        # A job that was stopped a moment ago may have closed it with a better reason.
        if status(tracking, run) == "RUNNING":
            end(tracking, run, ended, tags)

    return close


def left_parent(
    tracking: Tracking, experiment: str, run: Found, states: States, doomed: Collection[str]
) -> Left | None:
    """The run of a whole DAG run, where all that it brackets has ended or is about to."""
    dag_id, run_id = (run.tags.get(f"slipway.{name}", "") for name in ("dag_id", "run_id"))
    if run.tags.get("slipway.parent") != "true" or not reaping.all_over(dag_id, run_id, states):
        return None
    if {child.run_id for child in going_on(tracking, experiment, dag_id, run_id)} - set(doomed):
        return None

    def close() -> None:
        if going_on(tracking, experiment, dag_id, run_id) or status(tracking, run.run_id) != "RUNNING":
            return
        failed = any(child.status == "FAILED" for child in children(tracking, experiment, dag_id, run_id))
        end(tracking, run.run_id, "FAILED" if failed else "FINISHED", {})

    return Left(f"MLflow run {run.run_id}", f"{dag_id}, {run_id}", "all tasks of that DAG run are over", close, "close")


def children(tracking: Tracking, experiment: str, dag_id: str, run_id: str) -> list[Found]:
    named = {"dag_id": dag_id, "run_id": run_id}
    words = (f"tags.`slipway.{name}` = {tracked.quoted(text)}" for name, text in named.items())
    found = search(tracking, experiment, " and ".join(words))
    return [run for run in found if reaping.task_of(run.tags)]


def going_on(tracking: Tracking, experiment: str, dag_id: str, run_id: str) -> list[Found]:
    return [run for run in children(tracking, experiment, dag_id, run_id) if run.status == "RUNNING"]


def status(tracking: Tracking, run: str) -> str | None:
    """None where the run was deleted meanwhile."""
    found = tracking.ask(lambda url: mlflow_rest.ask(url, "GET", GET, tracking.login, params={"run_id": run}))
    return found and str(found["run"]["info"]["status"])


def end(tracking: Tracking, run: str, ended: str, tags: dict[str, str]) -> None:
    """The reason first: who sees that the run has ended then sees why."""
    if tags:
        post(tracking, LOG, {"run_id": run, "tags": tracked.listed(tags)})
    post(tracking, UPDATE, {"run_id": run, "status": ended, "end_time": int(time.time() * 1000)})


def post(tracking: Tracking, path: str, body: dict[str, Any]) -> Any:
    return tracking.ask(lambda url: mlflow_rest.ask(url, "POST", path, tracking.login, json=body))
