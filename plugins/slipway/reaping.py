"""What of jobs may go, and why: judged by their task's state and by their own deadline, without asking anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from slipway import labels
from slipway.task_states import OVER, States

# A worker that lives stops its job at the deadline, and the job itself a little later; both come first.
MARGIN_SECONDS = 60
# Somebody fills a container that was just made, and the engine makes a volume before its container.
FRESH_SECONDS = 300


class Task(NamedTuple):
    """One task instance, as labels on the engine and tags in MLflow name it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: str

    @property
    def name(self) -> str:
        """What it is called among its DAG run's tasks."""
        return self.task_id if self.map_index in ("", "-1") else f"{self.task_id}_{self.map_index}"

    def __str__(self) -> str:
        return f"{self.dag_id}, task {self.name} of {self.run_id}"


@dataclass(frozen=True)
class Seen:
    """A container or a volume of a job, as its engine shows it.

    Ages count on the engine's clock. `ran_seconds` is None for what does not run; paused is running.
    """

    id: str
    task: Task
    status: str
    age_seconds: float
    ran_seconds: float | None = None
    deadline_seconds: int | None = None


def task_of(told: Mapping[str, str]) -> Task | None:
    """The task instance that labels or tags name; None where they name none."""
    try:
        return Task(*(told[f"slipway.{name}"] for name in labels.INSTANCE))
    except KeyError:
        return None


def over(task: Task, states: States) -> str | None:
    """That the task will not come back for what is its own; None where it may, or where Airflow can't tell."""
    told = states(task.dag_id, task.run_id)
    if told is None or task.run_id.startswith(labels.NO_TASK):
        return None
    if task.name not in told:
        return "its task is gone from Airflow"
    state = told[task.name]
    return f"its task is {state}" if state in OVER else None


def why_late(seen: Seen) -> str | None:
    """How far a container is past its deadline; None where it is not."""
    # One that has ended is a result that a next try collects, however late.
    if seen.ran_seconds is None or seen.deadline_seconds is None:
        return None
    if seen.ran_seconds <= seen.deadline_seconds + MARGIN_SECONDS:
        return None
    return f"it has run for {seen.ran_seconds:.0f} s, and its deadline was {seen.deadline_seconds} s"


def why_container(seen: Seen, states: States) -> str | None:
    """Why the container may go; None where it stays."""
    if late := why_late(seen):
        return late
    if seen.status == "created" and seen.age_seconds < FRESH_SECONDS:
        return None
    return over(seen.task, states)


def why_volume(seen: Seen, states: States) -> str | None:
    """Why a volume that no container uses may go; None where it stays."""
    if told := over(seen.task, states):
        return told
    # No try takes over a volume without its container.
    return "no container uses it" if seen.age_seconds > FRESH_SECONDS else None


def all_over(dag_id: str, run_id: str, states: States) -> bool:
    """Whether no task of a DAG run goes on; a run that is gone has none."""
    told = states(dag_id, run_id)
    return told is not None and all(state in OVER for state in told.values())
