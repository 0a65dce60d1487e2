"""How a task of Slipway fails: one class for each cause, so that a retry policy can tell them apart by name.

`kind` is the same word in the task's log, on the MLflow run and in `outputs.json`.
"""

from typing import Any, ClassVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException


class JobFailedError(AirflowException):
    """The job failed in a way that a retry may heal, after a pause that grows."""

    kind: ClassVar[str] = "failed"


class ExitCodeError(JobFailedError):
    """The job ended with an exit code that the contract gives no meaning."""

    kind = "exit_code"


class OutOfMemoryError(JobFailedError):
    """The kernel ended the job at its memory limit."""

    kind = "out_of_memory"


class DeadlineError(JobFailedError):
    """The job ran into its timeout and was stopped."""

    kind = "deadline"


class JobKilledError(JobFailedError):
    """Somebody ended the job: in Airflow, or on the engine."""

    kind = "killed"


class JobLostError(JobFailedError):
    """The job's container was paused or out of reach for too long, or is gone."""

    kind = "lost"


class ContractBrokenError(JobFailedError):
    """The job left no closed outputs.json, whatever its exit code says."""

    kind = "contract_broken"


class ServiceAwayError(JobFailedError):
    """MLflow, the store or the engine did not answer."""

    kind = "service_away"


class TryAgainError(JobFailedError):
    """Somebody else was faster; a new try looks again."""

    kind = "try_again"


class NoImageError(JobFailedError):
    """The job's image is not on the engine; another worker may hold it, or somebody builds it."""

    kind = "image_missing"


class WorkerStopsError(JobFailedError):
    """The worker was asked to stop while the task still counts: its container runs on and the next try adopts it."""

    kind = "worker_stops"


class JobRefusedError(AirflowFailException):
    """The job refused what it was given; a retry would be refused too."""

    kind: ClassVar[str] = "usage"


class BadDataError(JobRefusedError):
    """The data can't be used as it is, until somebody mends it."""

    kind = "bad_data"


class NothingToDo(AirflowSkipException):
    """The job looked and found nothing to do; `outputs` says why."""

    def __init__(self, message: str, outputs: dict[str, Any]) -> None:
        super().__init__(message)
        self.outputs = outputs


BY_EXIT_CODE: dict[int, type[JobFailedError | JobRefusedError]] = {
    64: JobRefusedError,
    65: BadDataError,
    69: ServiceAwayError,
    75: TryAgainError,
    124: DeadlineError,
    137: JobKilledError,
    143: JobKilledError,
}
MEANING = {
    64: "usage",
    65: "bad data",
    69: "a service is away",
    75: "try again",
    124: "deadline",
    137: "killed",
    143: "stopped",
}
