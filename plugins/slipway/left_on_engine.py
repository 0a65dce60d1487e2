"""Containers and volumes of jobs on one engine that nobody will come for, and their end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError, NotFound

from slipway import reaping
from slipway.container import Container, engine_time, moment
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


def look(client: docker.APIClient, deployed: Settings, states: States) -> tuple[list[Left], set[Task]]:
    """What may go, and the tasks whose containers stay."""
    left, kept = [], set()
    for one in containers(client, deployed):
        if why := reaping.why_container(one, states):
            left.append(Left(f"container {one.id[:12]}", str(one.task), why, ending(client, one.id)))
        else:
            kept.add(one.task)
    judged = ((one, reaping.why_volume(one, states)) for one in unused_volumes(client, deployed))
    left += [Left(f"volume {one.id[:12]}", str(one.task), why, removing(client, one.id)) for one, why in judged if why]
    return left, kept


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
