"""What other tries of a task instance left on the engine: taken over, collected, or removed."""

from typing import Literal

from docker.errors import NotFound

from slipway.container import Container, Log
from slipway.ended import Ended

Status = Literal["running", "final", "useless", "gone"]


def status(container: Container) -> Status:
    """`final` is a container that ended with the job's last word in it; `useless` one that a new try replaces."""
    try:
        state = container.inspect()["State"]
    except NotFound:
        return "gone"
    if state["Running"]:
        return "running"
    ended = state["Status"] == "exited" and Ended(state["ExitCode"], container.outputs_text()).final
    return "final" if ended else "useless"


def usable(found: list[Container], log: Log) -> Container | None:
    """The one container that goes on for this task; all others are removed."""
    kept: Container | None = None
    for container in found:
        how = status(container)
        if kept is None and how in ("running", "final"):
            kept = container
            now = "runs" if how == "running" else "has ended"
            log(f"taking over container {container.id[:12]} of an older try: it {now}")
        elif how != "gone":
            log(f"removing container {container.id[:12]} that an older try of this task left")
            container.remove()
    return kept
