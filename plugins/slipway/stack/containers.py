"""What the engine knows of a stack: its containers, their health, and the data that it holds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import docker
from docker.errors import NotFound

from slipway.embedded.engine_project import PROJECT as JOB_PROJECT
from slipway.stack.stack import Stack

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
PATIENCE_SECONDS = 180
TELLING = ("error:", "fatal:", "refused", "denied", "fail", "cannot", "can't")


@dataclass(frozen=True)
class Service:
    """A container of a service, as it is now."""

    name: str
    container: str
    container_id: str
    state: dict[str, Any]
    once: bool
    restarts: int
    ports: tuple[int, ...]
    image_id: str

    @property
    def ready(self) -> bool:
        """A one-shot has ended well; a server is healthy, or runs where it has no health check."""
        if self.once:
            return self.state["Status"] == "exited" and self.state["ExitCode"] == 0
        return self.state["Status"] == "running" and self.health in ("healthy", "")

    @property
    def health(self) -> str:
        return str((self.state.get("Health") or {}).get("Status", ""))

    @property
    def failed(self) -> bool:
        """Whether waiting longer is no use; on a busy machine a server may be late by more than its checks allow."""
        return (self.ended and not self.ready) or (self.ill and self.seconds > PATIENCE_SECONDS) or self.restarts > 4

    @property
    def falling(self) -> bool:
        """Whether it fell over and was started again, with no end to that yet."""
        return self.restarts > 0 and not self.ready

    @property
    def ended(self) -> bool:
        return self.state["Status"] in ("exited", "dead")

    @property
    def ill(self) -> bool:
        return self.health == "unhealthy"

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(f"{self.state['StartedAt'][:19]}+00:00")

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return (datetime.now(UTC) - self.started).total_seconds()

    @property
    def word(self) -> str:
        if self.once and self.ready:
            return "done"
        if self.ended:
            return f"ended with exit code {self.state['ExitCode']}"
        if self.restarts and not self.ready:
            return f"fell over {self.restarts} times"
        return self.health or str(self.state["Status"])


def services(client: docker.APIClient, stack: Stack) -> list[Service]:
    """The stack's containers, by name of the service; those that one command made for itself are no services."""
    found = client.containers(all=True, filters={"label": [f"{PROJECT}={stack.name}"]})
    known = [inspected(client, each["Id"]) for each in found if each["Labels"].get(ONE_OFF) != "True"]
    return sorted(map(service, filter(None, known)), key=lambda service: service.name)


def inspected(client: docker.APIClient, container: str) -> dict[str, Any] | None:
    """None where compose has replaced the container since it was listed."""
    try:
        found: dict[str, Any] = client.inspect_container(container)
    except NotFound:
        return None
    return found


def service(found: dict[str, Any]) -> Service:
    bindings = (found["HostConfig"].get("PortBindings") or {}).values()
    return Service(
        name=found["Config"]["Labels"][SERVICE],
        container=found["Name"].lstrip("/"),
        container_id=found["Id"],
        state=found["State"],
        once=found["HostConfig"]["RestartPolicy"]["Name"] in ("", "no"),
        restarts=found["RestartCount"],
        ports=tuple(int(port["HostPort"]) for ports in bindings for port in ports or [] if port.get("HostPort")),
        image_id=found["Image"],
    )


def running(client: docker.APIClient, stack: Stack, name: str) -> bool:
    return any(service.name == name and service.state["Running"] for service in services(client, stack))


def jobs(client: docker.APIClient, stack: Stack) -> list[dict[str, Any]]:
    """The job containers that run for this stack's tasks."""
    found: list[dict[str, Any]] = client.containers(filters={"label": [f"{JOB_PROJECT}={stack.name}"]})
    return found


def volumes(client: docker.APIClient, stack: Stack) -> list[str]:
    """The volumes that hold the stack's data; empty before its first start."""
    found = client.volumes(filters={"label": [f"{PROJECT}={stack.name}"]})["Volumes"] or []
    return sorted(volume["Name"] for volume in found)


def last_words(client: docker.APIClient, service: Service) -> str:
    """What its health check said of it, else the last line of its log since its start that names a fault."""
    checks = (service.state.get("Health") or {}).get("Log") or []
    if service.ill and checks and checks[-1]["Output"].strip():
        return str(checks[-1]["Output"].strip().splitlines()[-1][:500])
    # How an earlier start ended is another story. One that never started has no time that an engine takes.
    since = max(int(service.started.timestamp()), 1)
    said = client.logs(service.container_id, tail=40, since=since).decode(errors="replace").splitlines()
    lines = [line.strip() for line in said if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in TELLING)]
    return (telling or lines or ["its log is empty"])[-1][:500]
