"""From a function that wires one pipeline's tasks to one DAG for each pipeline."""

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from slipway import dag_docs, forms, pipelines, settings
from slipway.errors import ContractError, PipelineError
from slipway.job_operator import JobOperator
from slipway.pipelines import BrokenPipeline, Pipeline

Wiring = Callable[[Pipeline], None]
WiringOfAll = Callable[[list[Pipeline]], None]

# Cron DAGs begin here and never catch up: what is older is brought in by a backfill.
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
DEFAULT_SCHEDULES = {"train": "raw", "predict": "raw or champion"}


def each_pipeline(doc: str | None, **dag_options: Any) -> Callable[[Wiring], Wiring]:
    """Declare a kind of DAG, named like the decorated function: `<pipeline>.<kind>` for each pipeline.

    A pipeline whose YAML is broken keeps a DAG that says so and takes no other away.
    """

    def declare(wire: Wiring) -> Wiring:
        for pipeline in pipelines.load_all(settings.read(dags=Path(inspect.getfile(wire)).parent)):
            try:
                if isinstance(pipeline, BrokenPipeline):
                    broken_dag(pipeline, wire.__name__)
                else:
                    working_dag(pipeline, wire, doc, dag_options)
            # One DAG that Airflow refuses would take the file's other DAGs with it.
            except (AirflowException, ContractError, OverflowError, TypeError, ValueError) as error:
                told = PipelineError(f"{pipeline.path}:1: Airflow can't make {wire.__name__} of it: {error}")
                broken_dag(BrokenPipeline(pipeline.name, pipeline.path, told), wire.__name__)
        return wire

    return declare


def working_dag(pipeline: Pipeline, wire: Wiring, doc: str | None, options: dict[str, Any]) -> None:
    keys, kind = pipeline.keys, wire.__name__
    words = {**DEFAULT_SCHEDULES, **keys.get("schedules", {})}.get(kind)
    with DAG(
        dag_id=f"{pipeline.name}.{kind}",
        schedule=schedule(pipeline, words),
        start_date=BEGINNING,
        catchup=False,
        description=keys.get("description"),
        doc_md=dag_docs.text(doc, pipeline, kind, words),
        tags=[pipeline.name, kind, *keys.get("tags", [])],
        default_args=task_defaults(keys),
        **options,
    ) as dag:
        wire(pipeline)
    jobs = [task.contract for task in dag.tasks if isinstance(task, JobOperator)]
    dag.params.update(forms.fields(pipeline, jobs))


def once(doc: str | None, schedule: str, **dag_options: Any) -> Callable[[WiringOfAll], WiringOfAll]:
    """Declare one DAG over all pipelines, named like the decorated function: `slipway.<kind>`.

    It begins unpaused: what looks after all others serves nobody while it waits for a click.
    """

    def declare(wire: WiringOfAll) -> WiringOfAll:
        known = pipelines.load_all(settings.read(dags=Path(inspect.getfile(wire)).parent))
        with DAG(
            dag_id=f"slipway.{wire.__name__}",
            schedule=schedule,
            start_date=BEGINNING,
            catchup=False,
            is_paused_upon_creation=False,
            doc_md=doc,
            tags=["slipway", wire.__name__],
            **dag_options,
        ):
            wire([pipeline for pipeline in known if isinstance(pipeline, Pipeline)])
        return wire

    return declare


def task_defaults(keys: dict[str, Any]) -> dict[str, Any]:
    """What the YAML says of every task of the pipeline."""
    named: dict[str, Any] = {name: keys[name] for name in ("owner", "pool", "queue", "docker_conn_id") if name in keys}
    deployed = settings.read()
    delay = timedelta(seconds=deployed.retry_delay_seconds)
    retries = keys.get("retries", deployed.retries)
    return {**named, "retries": retries, "retry_delay": delay, "retry_exponential_backoff": True}


def schedule(pipeline: Pipeline, words: str | None) -> Any:
    """A schedule from the YAML: assets by name (`raw or champion`), a cron expression, or none."""
    if words is None:
        return None
    known = {"raw": raw(pipeline), "champion": champion(pipeline)}
    if names := pipelines.assets_of(words):
        first, *others = (known[name] for name in dict.fromkeys(names))
        return first | others[0] if others else [first]
    return CronDataIntervalTimetable(words, timezone="UTC")


def raw(pipeline: Pipeline) -> Asset:
    """New rows in the pipeline's raw table."""
    return Asset(name=f"{pipeline.name}.raw", uri=f"slipway://{pipeline.name}/raw")


def champion(pipeline: Pipeline) -> Asset:
    """A move of the pipeline's champion."""
    return Asset(name=f"{pipeline.name}.champion", uri=f"slipway://{pipeline.name}/champion")


class FixPipeline(BaseOperator):
    """The only task of a broken pipeline: fails with what is wrong in its YAML."""

    def __init__(self, *, error: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def execute(self, context: Any) -> None:
        raise AirflowFailException(self.error)


def broken_dag(pipeline: BrokenPipeline, kind: str) -> None:
    # What is wrong may be the name itself, and Airflow drops the whole file for one DAG id that it refuses.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", pipeline.name)[:100]
    with DAG(
        dag_id=f"{name}.{kind}",
        schedule=None,
        is_paused_upon_creation=True,
        doc_md=f"This pipeline is broken.\n\n    {pipeline.error}\n",
        tags=[name, kind, "broken"],
    ):
        FixPipeline(task_id="fix_pipeline", error=str(pipeline.error))
