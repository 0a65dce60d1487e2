"""Why a task is asked to end: a user's word, a worker that stops and a lost heartbeat all come as the same signal."""

import os
import time
from typing import Any

from slipway.failures import JobKilledError, WorkerStopsError

# In these somebody will try again, or is trying already, and takes the container over.
GOES_ON = ("running", "queued", "scheduled", "up_for_retry")
AWAY = "away"
# What logging, or a question to Airflow, raises where its other end is gone.
CUT_OFF = (EOFError, OSError)


def state(instance: Any) -> str | None:
    """What Airflow holds of the task instance: None where it is gone, AWAY where Airflow does not answer.

    Never called in a signal handler: the way to Airflow uses a lock that the handler may have interrupted.
    """
    mapped = instance.map_index is not None and instance.map_index >= 0
    name = f"{instance.task_id}_{instance.map_index}" if mapped else instance.task_id
    try:
        told = instance.get_task_states(
            dag_id=instance.dag_id,
            task_ids=[instance.task_id],
            run_ids=[instance.run_id],
            map_index=instance.map_index if mapped else None,
        )
    except Exception:
        return AWAY
    found: str | None = told.get(instance.run_id, {}).get(name)
    return str(found) if found else None


def ending(instance: Any, job: str) -> JobKilledError | WorkerStopsError:
    """What to raise in a task that was asked to end; only the first of the two ends its container."""
    now = state(instance)
    if now == "running" and instance.try_number > instance.max_tries:
        return JobKilledError(f"{job}: killed: its worker was asked to stop, and no try is left to take the job over")
    if now == AWAY or now in GOES_ON:
        why = "Airflow does not answer" if now == AWAY else f"the task is still {now}"
        return WorkerStopsError(
            f"{job}: this worker was asked to stop, but {why}: the job's container runs on, and the next try takes it"
            " over"
        )
    if now is None:
        return JobKilledError(f"{job}: killed: its task instance is gone from Airflow (was the DAG run deleted?)")
    return JobKilledError(f"{job}: killed: its task was set to {now} in Airflow while it ran")


def orphaned(supervisor: int, error: BaseException | None = None) -> bool:
    """Whether the process that supervised this task is dead: Airflow has given the task up, and may have a new try."""
    if isinstance(error, CUT_OFF):
        # A dying process closes its sockets a moment before its children get another parent.
        time.sleep(0.2)
    return os.getppid() != supervisor


def left_alone(job: str) -> WorkerStopsError:
    return WorkerStopsError(f"{job}: this task's supervisor is gone: the container runs on, and the next try takes it")
