"""What can end a job, and the exit code that tells the caller whether a retry can heal it."""

from typing import ClassVar


class JobError(Exception):
    """A fault with a one-line explanation: what, where, and what to do next."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"


class UsageError(JobError):
    """The inputs or parameters are wrong; a retry gives the same."""

    exit_code = 64
    kind = "usage"


class BadDataError(JobError):
    """The data can't be used as it is; a retry gives the same until somebody mends it."""

    exit_code = 65
    kind = "bad_data"


class SourceFileError(BadDataError):
    """A file in landing is not what the pipeline describes."""


class MissingColumnError(BadDataError):
    """A column that the pipeline names is not there."""


class SchemaChangedError(BadDataError):
    """The table was made with other columns than the pipeline now names."""


class TooManyBadRowsError(BadDataError):
    """More rows were refused than the pipeline tolerates."""


class EmptyWindowError(BadDataError):
    """There are no rows where rows were asked for."""


class UnusableTargetError(BadDataError):
    """Nothing can be learnt from the target: all null, or one value."""


class ModelFileError(BadDataError):
    """A model's file is not the one that training wrote, or holds what we don't load."""


class ServiceAwayError(JobError):
    """MLflow or the store didn't answer; a later try may work."""

    exit_code = 69
    kind = "service_away"


class TryAgainError(JobError):
    """Somebody else was faster; a new try looks again."""

    exit_code = 75
    kind = "try_again"


class StaleWriterError(TryAgainError):
    """A newer try of the same task has already written."""


class Stopped(BaseException):
    """SIGTERM has come; no Exception, so that no library takes it for a fault to retry."""

    exit_code: ClassVar[int] = 143
    kind: ClassVar[str] = "stopped"


class DeadlinePassed(Stopped):
    """The job has had its time, and nobody came to stop it."""

    exit_code = 124
    kind = "deadline"


class NothingToDo(Exception):
    """The job has looked and found no work; the message says why."""

    exit_code: ClassVar[int] = 99
