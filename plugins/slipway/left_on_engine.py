"""Containers and volumes of jobs on one engine that nobody will come for, and their end."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from tarfile import TarError
from typing import Any

import docker
from docker.errors import APIError, NotFound

from slipway import reaping
from slipway.container import Container, engine_time, moment
from slipway.ended import Ended
from slipway.following import LAST_LINES
from slipway.reaping import Seen, Task
from slipway.settings import Settings
from slipway.task_states import States


@dataclass(frozen=True)
class Left:
    """One thing that may go: what it is and whose, why, and how it goes."""

    what: str
    whose: str
    why: str
    remove: Callable[[], None] = field(compare=False)
    verb: str = "remove"

    def __str__(self) -> str:
        return f"{self.what} of {self.whose}: {self.why}"


@dataclass(frozen=True)
class Uncollected:
    """How the container of a task ended that still lies on the engine; `last` is the end of its log."""

    container: str
    job: str
    limit_bytes: int
    ended: Ended
    last: str


@dataclass
class Looked:
    """What may go, in the order in which it goes, and what is known of tasks by their containers.

    `kept` are those whose containers stay, `late` the containers that are past their deadline, and how far.
    """

    left: list[Left] = field(default_factory=list)
    kept: set[Task] = field(default_factory=set)
    late: dict[Task, tuple[str, str]] = field(default_factory=dict)
    uncollected: dict[Task, Uncollected] = field(default_factory=dict)

    def add(self, other: "Looked") -> None:
        self.left += other.left
        self.kept |= other.kept
        self.late |= other.late
        self.uncollected |= other.uncollected

    def hold(self, pipeline: str) -> None:
        """Take the containers of a pipeline that have ended off what may go."""
        held = {str(task) for task in self.uncollected if task.dag_id.rpartition(".")[0] == pipeline}
        self.left = [one for one in self.left if one.whose not in held]


def ours(deployed: Settings) -> list[str]:
    """The labels of what belongs to a job; those of services name no task."""
    return [f"slipway.project={deployed.project}", "slipway.task_id"]


def containers(client: docker.APIClient, deployed: Settings) -> list[Seen]:
    now, found = engine_time(client), []
    for one in client.containers(all=True, filters={"label": ours(deployed)}):
        try:
            shown = client.inspect_container(one["Id"])
        except NotFound:
            continue
        if task := reaping.task_of(shown["Config"]["Labels"]):
            found.append(seen(shown, task, now))
    return found


def seen(shown: dict[str, Any], task: Task, now: datetime) -> Seen:
    state, deadline = shown["State"], shown["Config"]["Labels"].get("slipway.deadline_seconds", "")
    return Seen(
        shown["Id"],
        task,
        state["Status"],
        seconds_since(shown["Created"], now),
        seconds_since(state["StartedAt"], now) if state["Running"] else None,
        int(deadline) if deadline.isdigit() else None,
    )


def unused_volumes(client: docker.APIClient, deployed: Settings) -> list[Seen]:
    now = engine_time(client)
    listed = client.volumes(filters={"label": ours(deployed), "dangling": ["true"]})["Volumes"] or []
    pairs = ((one, reaping.task_of(one["Labels"])) for one in listed)
    return [Seen(one["Name"], task, "unused", seconds_since(one["CreatedAt"], now)) for one, task in pairs if task]


def seconds_since(text: str, now: datetime) -> float:
    return (now - moment(text)).total_seconds()


def look(client: docker.APIClient, deployed: Settings, states: States) -> Looked:
    looked = Looked()
    for one in containers(client, deployed):
        if one.status == "exited":
            # Collected at this moment, or not to be read: nobody can tell how it ended, and all else is looked at.
            with suppress(APIError, TarError, KeyError):
                looked.uncollected[one.task] = uncollected(client, one.id)
        if told := reaping.why_late(one):
            looked.late[one.task] = (one.id, told)
        if why := reaping.why_container(one, states):
            looked.left.append(Left(f"container {one.id[:12]}", str(one.task), why, ending(client, one.id)))
        else:
            looked.kept.add(one.task)
    for one in unused_volumes(client, deployed):
        if why := reaping.why_volume(one, states):
            looked.left.append(Left(f"volume {one.id[:12]}", str(one.task), why, removing(client, one.id)))
    return looked


def uncollected(client: docker.APIClient, container: str) -> Uncollected:
    """Raises NotFound where somebody collects it at this moment."""
    found = Container(client, container)
    text = found.outputs_text()
    last = client.logs(container, tail=LAST_LINES).decode(errors="replace")
    # Last: without the container its text was none.
    shown = found.inspect()
    state, job = shown["State"], shown["Config"]["Labels"].get("slipway.job", "job")
    out_of_memory = state["OOMKilled"] and state["ExitCode"] != 0
    ended = Ended(state["ExitCode"], text, out_of_memory)
    return Uncollected(container, job, shown["HostConfig"]["Memory"], ended, last)


def ending(client: docker.APIClient, container: str) -> Callable[[], None]:
    """A job that hears closes its own MLflow run in the seconds that it is given."""

    def end() -> None:
        doomed = Container(client, container)
        doomed.stop()
        doomed.remove()

    return end


def removing(client: docker.APIClient, volume: str) -> Callable[[], None]:
    def remove() -> None:
        try:
            client.remove_volume(volume)
        except APIError as error:
            # Gone, or taken by a container since.
            if error.status_code not in (404, 409):
                raise

    return remove
