"""What a job's container and volume say of themselves, and the one name that a task instance's container can have."""

import hashlib
from typing import Any

from slipway.contracts import Contract, Limits
from slipway.settings import Settings

INSTANCE = ("dag_id", "run_id", "task_id", "map_index")
# Runs of these names are no task's: `slipway explain` asks a job without letting it run, `slipway replay` repeats one.
ASKING, REPLAYING = "explain-", "replay-"
NO_TASK = (ASKING, REPLAYING)


def instance(inputs: dict[str, Any], deployed: Settings) -> dict[str, str]:
    """The labels that all tries of one task instance share."""
    run = inputs["run"]
    return {"slipway.project": deployed.project, **{f"slipway.{name}": str(run[name]) for name in INSTANCE}}


def of(inputs: dict[str, Any], contract: Contract, limits: Limits, deployed: Settings) -> dict[str, str]:
    """All labels; the deadline counts from the container's start, on the engine's clock."""
    return instance(inputs, deployed) | {
        "slipway.job": contract.job,
        "slipway.pipeline": inputs["pipeline"],
        "slipway.try_number": str(inputs["run"]["try_number"]),
        "slipway.deadline_seconds": str(limits.timeout_seconds),
    }


def container_name(labels: dict[str, str]) -> str:
    """The engine gives a name once, so no two containers of one task instance are ever there at the same time."""
    names = [labels[f"slipway.{name}"] for name in ("project", *INSTANCE)]
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()
    return f"{labels['slipway.project']}-job-{digest[:24]}"
