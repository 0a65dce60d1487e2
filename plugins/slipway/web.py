"""The pages that Slipway adds to Airflow: from a task, or a DAG, to what MLflow holds of it.

Airflow leaves a plugin's pages open to everybody; each of these asks for its login and for read access to the DAG.
"""

import logging
from collections.abc import Callable
from html import escape
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Path, Response, status
from fastapi.responses import HTMLResponse, RedirectResponse

from slipway import mlflow_rest, tracking_address
from slipway.errors import SlipwayError
from slipway.tracking_address import Tracking

log = logging.getLogger(__name__)
# What Airflow itself lets such names be made of; so no quote reaches MLflow's filter language.
Name = Annotated[str, Path(pattern=r"^[\w.-]+$", max_length=250)]
RunName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.~:+-]+$", max_length=250)]
MapIndex = Annotated[int, Path(ge=-1, le=2**31 - 1)]

app = FastAPI(
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)


@app.get("/mlflow/{dag_id}/{run_id}/{task_id}/{map_index}")
def task_run(dag_id: Name, run_id: RunName, task_id: Name, map_index: MapIndex) -> Response:
    """To the MLflow run of one task instance."""
    names = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    tags = {f"slipway.{name}": str(value) for name, value in names.items()}

    def place(tracking: Tracking) -> str | None:
        # Of two that were made at the same moment, jobs take the oldest.
        run = next(reversed(tracking.ask(lambda url: mlflow_rest.runs_tagged(url, tags, tracking.login))), None)
        return run and "experiments/{experiment_id}/runs/{run_id}".format(**run["info"])

    return to_mlflow(dag_id, f"{dag_id}, task {task_id}, has no MLflow run yet", place)


@app.get("/mlflow/{dag_id}")
def experiment(dag_id: Name) -> Response:
    """To the experiment with all runs of the DAG's pipeline."""
    pipeline = dag_id.rpartition(".")[0]

    def place(tracking: Tracking) -> str | None:
        found = tracking.ask(lambda url: mlflow_rest.experiment_id(url, pipeline, tracking.login))
        return found and f"experiments/{found}/runs"

    return to_mlflow(dag_id, f"No run of {pipeline} has begun yet", place)


@app.get("/mlflow/{dag_id}/model")
def model(dag_id: Name) -> Response:
    """To the registered model of the DAG's pipeline, which MLflow itself says is not there yet."""
    return to_mlflow(dag_id, "", lambda _: f"models/{quote(dag_id.rpartition('.')[0], safe='')}")


def to_mlflow(dag_id: str, missing: str, place: Callable[[Tracking], str | None]) -> Response:
    """A redirect into MLflow's own pages, or a page that says why there is none."""
    try:
        tracking = tracking_address.of(dag_id)
        found = place(tracking)
    except SlipwayError as error:
        log.warning("no way from %s to MLflow: %s", dag_id, error)
        return page(str(error), status.HTTP_503_SERVICE_UNAVAILABLE)
    if found:
        return RedirectResponse(f"{tracking.public}/#/{found}", headers={"Cache-Control": "no-store"})
    text = f"{missing}: one begins just before the job's container. A task that failed before then has none, and its"
    text += " log says why. This page looks again every five seconds."
    return page(text, status.HTTP_202_ACCEPTED, refresh=True)


def page(text: str, status_code: int, refresh: bool = False) -> HTMLResponse:
    again: dict[str, Any] = {"Refresh": "5"} if refresh else {}
    body = f"<!doctype html><title>MLflow run</title><p style='font: 1rem sans-serif; margin: 3rem'>{escape(text)}</p>"
    return HTMLResponse(body, status_code, headers={"Cache-Control": "no-store", **again})
