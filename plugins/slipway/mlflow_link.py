"""The way from a task to its MLflow run: an address that is known before there is a run."""

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

PAGES = "/slipway/mlflow"


class MlflowRunLink(BaseOperatorLink):
    """The button on a task; Airflow reads its address from an XCom, which the operator leaves when it starts."""

    name = "MLflow run"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return page(ti_key.dag_id, ti_key.run_id, ti_key.task_id, -1 if ti_key.map_index is None else ti_key.map_index)


def page(*names: object) -> str:
    """The plugin's page for a DAG or a task instance.

    Without a host: people reach Airflow by several names, and are logged in under the one they used.
    """
    below = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return "/".join([below + PAGES, *(quote(str(name), safe="") for name in names)])


def offer(instance: Any) -> None:
    """Put the button on a task that has only just begun, or will be killed."""
    link = MlflowRunLink()
    instance.xcom_push(key=link.xcom_key, value=link.get_link(None, ti_key=instance))
