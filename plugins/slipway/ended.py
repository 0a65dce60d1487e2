"""How a run of a job ended, and what that means for its task."""

import json
from dataclasses import dataclass
from typing import Any

from slipway.failures import (
    BY_EXIT_CODE,
    MEANING,
    ContractBrokenError,
    ExitCodeError,
    JobFailedError,
    JobRefusedError,
    NothingToDo,
    OutOfMemoryError,
)
from slipway.log_lines import redacted_values, redactor

NOTHING_TO_DO = 99
# These are the job's own last word: a new try collects them and runs nothing again.
FINAL = (0, 64, 65, NOTHING_TO_DO)


@dataclass(frozen=True)
class Ended:
    """The end of one run: exit code, the text of outputs.json if there is one, what the engine says of memory.

    `secrets` are blanked in all that is read from outputs.json. `peak_memory_bytes` is None where nobody measured it.
    """

    exit_code: int
    outputs_text: str | None
    out_of_memory: bool = False
    secrets: tuple[str, ...] = ()
    peak_memory_bytes: int | None = None

    @property
    def outputs(self) -> dict[str, Any] | None:
        """outputs.json, or None where it is absent, unreadable or lacks its closing mark."""
        try:
            outputs = json.loads(self.outputs_text or "null")
        except (ValueError, RecursionError):
            return None
        if not isinstance(outputs, dict) or outputs.get("closed") is not True:
            return None
        blanked: dict[str, Any] = redacted_values(outputs, redactor(self.secrets))
        return blanked

    @property
    def final(self) -> bool:
        """Whether the job said all that there is to say."""
        return self.exit_code in FINAL and self.outputs is not None


def judge(ended: Ended, job: str, limit_bytes: int) -> dict[str, Any]:
    """The result of a job that did its work.

    Raises NothingToDo, JobRefusedError or JobFailedError, or a class of theirs, with what happened and what to do next.
    """
    if ended.out_of_memory:
        raise OutOfMemoryError(out_of_memory(ended, job, limit_bytes))
    outputs = ended.outputs
    if outputs is None:
        raise without_outputs(ended, job)
    if ended.exit_code == NOTHING_TO_DO:
        raise NothingToDo(f"{job}: nothing to do: {outputs.get('reason')}", outputs)
    if ended.exit_code == 0:
        return outputs
    raise failure(ended.exit_code, outputs.get("error"), job)


def failure(exit_code: int, error: Any, job: str) -> JobFailedError | JobRefusedError:
    """What the job itself says went wrong; a job in any language may have written a bare text."""
    says = (error.get("message") if isinstance(error, dict) else error) or "no message"
    word = MEANING.get(exit_code, f"exit code {exit_code}")
    return BY_EXIT_CODE.get(exit_code, ExitCodeError)(f"{job}: {word}: {says}")


def out_of_memory(ended: Ended, job: str, limit_bytes: int) -> str:
    peak = f", with a peak of {size(ended.peak_memory_bytes)}" if ended.peak_memory_bytes else ""
    return f"{job}: out of memory at its limit of {size(limit_bytes)}{peak}: raise limits.{job}.memory in the YAML"


def without_outputs(ended: Ended, job: str) -> JobFailedError | JobRefusedError:
    """Why there is no result; a job without a closed outputs.json has failed, whatever its exit code."""
    if ended.exit_code in MEANING:
        text = f"{job}: {MEANING[ended.exit_code]} (exit code {ended.exit_code}) before it wrote its outputs.json"
        return BY_EXIT_CODE[ended.exit_code](text)
    state = "no outputs.json" if ended.outputs_text is None else "an outputs.json without its closing mark"
    return ContractBrokenError(
        f"{job}: ended with exit code {ended.exit_code} and {state}: the contract is broken, see the log above"
    )


def size(number: float) -> str:
    """Bytes as people write them."""
    if number >= 2**30:
        return f"{number / 2**30:.1f} GiB"
    return f"{number / 2**20:.0f} MiB"
