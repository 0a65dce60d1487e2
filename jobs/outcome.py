"""What a job leaves behind for its caller: the content of outputs.json."""

from dataclasses import dataclass, field, replace
from typing import Any

from jobs.errors import DeadlinePassed, JobError, NothingToDo, Stopped
from jobs.secret_files import redacted
from jobs.services import as_job_error


@dataclass
class Outcome:
    """Counts, table versions, model, metrics, verdict; and the exit code that goes with them.

    `read` are the versions at which the job found its tables, None where there was no such table; `files` is the
    delivery that ingest took. Both are what a replay begins with.
    """

    status: str = "done"
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    model: dict[str, Any] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    mlflow: dict[str, str] | None = None
    error: dict[str, str] | None = None
    reused: dict[str, str] | None = None
    read: dict[str, int | None] = field(default_factory=dict)
    files: dict[str, Any] | None = None
    exit_code: int = 0

    def __post_init__(self) -> None:
        # A library may quote an address or a header with a secret in it.
        self.reason = redacted(self.reason) if self.reason else self.reason
        self.error = {name: redacted(text) for name, text in self.error.items()} if self.error else None

    @classmethod
    def of(cls, error: Exception | Stopped) -> "Outcome":
        """What an exception means to the caller; what is not a JobError is a fault of ours: exit 1."""
        if isinstance(error, NothingToDo):
            return cls("nothing_to_do", str(error), exit_code=error.exit_code)
        if isinstance(error, Stopped):
            told = {"kind": error.kind, "type": type(error).__name__, "message": str(error)}
            return cls("failed", str(error), error=told, exit_code=error.exit_code)
        known = as_job_error(error)
        message = str(known or error) or type(error).__name__
        described = {
            "kind": known.kind if known else "error",
            "type": type(known or error).__name__,
            "message": " ".join(message.split()),
        }
        return cls("failed", described["message"], error=described, exit_code=known.exit_code if known else 1)

    @property
    def stopped(self) -> bool:
        """Whether the job was ended in its midst, and has seconds left."""
        return self.exit_code in (Stopped.exit_code, DeadlinePassed.exit_code)

    @classmethod
    def standing(cls, outputs: dict[str, Any], reason: str, reused: dict[str, str]) -> "Outcome":
        """The outcome of an older run once more; what had nothing to do then has nothing to do now."""
        told = {name: outputs[name] for name in ("counts", "tables", "model", "metrics", "mlflow") if outputs.get(name)}
        if reused.get("nothing_to_do"):
            why = f"{reason}, which had nothing to do: {reused['nothing_to_do']}"
            return cls("nothing_to_do", why, reused=reused, exit_code=NothingToDo.exit_code, **told)
        return cls("unchanged", reason, reused=reused, **told)

    def nothing_to_do(self, reason: str) -> "Outcome":
        """The same counts and tables, as those of a job that found no work."""
        return replace(self, status="nothing_to_do", reason=reason, exit_code=NothingToDo.exit_code)

    def document(self) -> dict[str, Any]:
        """The part of outputs.json that the job answers for."""
        absent = {"exit_code"} if self.reused else {"exit_code", "reused"}
        return {name: value for name, value in vars(self).items() if name not in absent}

    def summary(self, job: str) -> str:
        """One line for the end of the log."""
        if self.error:
            return f"{job} failed: {self.error['message']}"
        numbers = ", ".join(f"{value:,} {name}" for name, value in self.counts.items())
        return f"{job}: {self.status.replace('_', ' ')}" + "".join(
            f"; {text}" for text in (self.reason, numbers) if text
        )


def unexpected(error: Exception | Stopped) -> bool:
    """Whether only a traceback can explain this error."""
    return not isinstance(error, (NothingToDo, JobError, Stopped)) and as_job_error(error) is None
