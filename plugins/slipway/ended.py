"""How a run of a job ended, and what that means for its task."""

import json
from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from slipway.log_lines import redacted_values, redactor

NOTHING_TO_DO = 99
# Usage and bad data stay what they are however often a job is tried.
NEVER_HEALS = {64: "usage", 65: "bad data"}
MEANING = {69: "a service is away", 75: "try again", 137: "killed", 143: "stopped"}


class JobFailedError(AirflowException):
    """The job failed in a way that a retry may heal."""


class JobRefusedError(AirflowFailException):
    """The job refused what it was given; a retry would be refused too."""


class NothingToDo(AirflowSkipException):
    """The job looked and found nothing to do."""


@dataclass(frozen=True)
class Ended:
    """The end of one run: exit code, the text of outputs.json if there is one, what the engine says of memory.

    `secrets` are blanked in all that is read from outputs.json.
    """

    exit_code: int
    outputs_text: str | None
    out_of_memory: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def outputs(self) -> dict[str, Any] | None:
        """outputs.json, or None where it is absent, unreadable or lacks its closing mark."""
        try:
            outputs = json.loads(self.outputs_text or "null")
        except ValueError:
            return None
        if not isinstance(outputs, dict) or outputs.get("closed") is not True:
            return None
        blanked: dict[str, Any] = redacted_values(outputs, redactor(self.secrets))
        return blanked


def judge(ended: Ended, job: str, memory: str) -> dict[str, Any]:
    """The result of a job that did its work.

    Raises NothingToDo, JobRefusedError or JobFailedError with what happened and what to do next.
    """
    if ended.out_of_memory:
        raise JobFailedError(f"{job}: out of memory at its limit of {memory}: raise limits.{job}.memory in the YAML")
    outputs = ended.outputs
    if outputs is None:
        raise JobFailedError(without_outputs(ended, job))
    if ended.exit_code == NOTHING_TO_DO:
        raise NothingToDo(f"{job}: nothing to do: {outputs.get('reason')}")
    if ended.exit_code == 0:
        return outputs
    says = (outputs.get("error") or {}).get("message", "no message")
    if ended.exit_code in NEVER_HEALS:
        raise JobRefusedError(f"{job}: {NEVER_HEALS[ended.exit_code]}: {says}")
    raise JobFailedError(f"{job}: {MEANING.get(ended.exit_code, f'exit code {ended.exit_code}')}: {says}")


def without_outputs(ended: Ended, job: str) -> str:
    """Why there is no result; a job without a closed outputs.json has failed, whatever its exit code."""
    if ended.exit_code in MEANING:
        return f"{job}: {MEANING[ended.exit_code]} (exit code {ended.exit_code}) before it wrote its outputs.json"
    state = "no outputs.json" if ended.outputs_text is None else "an outputs.json without its closing mark"
    return f"{job}: ended with exit code {ended.exit_code} and {state}: the contract is broken, see the log above"
