"""What Airflow holds of the tasks of a DAG run, asked from inside a task or beside Airflow's database."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

log = logging.getLogger(__name__)
# In any other state, none included, a try goes on or another may come.
OVER = ("success", "failed", "skipped", "upstream_failed", "removed")

# From DAG and run to a state by task, `<task>_<map index>` for a mapped one; empty where there is no such run, and None
# where Airflow does not answer.
States = Callable[[str, str], dict[str, str | None] | None]


def by_task(instance: Any) -> States:
    """Asked through the API that a running task has."""

    def told(dag_id: str, run_id: str) -> dict[str, str | None]:
        found = instance.get_task_states(dag_id=dag_id, run_ids=[run_id])
        return {name: plain(state) for name, state in found.get(run_id, {}).items()}

    return answering(told)


def by_database() -> States:
    """Read from the database, in a program that Airflow's own settings are given to."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def told(dag_id: str, run_id: str) -> dict[str, str | None]:
        asked = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state).where(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
        )
        with create_session() as session:
            rows = session.execute(asked).all()
        return {task if index < 0 else f"{task}_{index}": plain(state) for task, index, state in rows}

    return answering(told)


def answering(told: Callable[[str, str], dict[str, str | None]]) -> States:
    """The same, where an Airflow that is away is None and no exception."""

    def asked(dag_id: str, run_id: str) -> dict[str, str | None] | None:
        try:
            return told(dag_id, run_id)
        # What an Airflow that is away raises is its database's, its API's or its socket's own.
        except Exception as error:
            log.warning("Airflow does not tell the tasks of %s, run %s: %s", dag_id, run_id, error)
            return None

    return asked


def remembered(states: States) -> States:
    """Each DAG run is asked for once."""
    return cache(states)


def plain(state: Any) -> str | None:
    return str(getattr(state, "value", state)) if state else None
