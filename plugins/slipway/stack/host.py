"""What the machine gives a stack: the engine's socket and its group, ports, room on the disk, readable folders."""

import os
import stat
import sys
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from slipway import engine, ports, settings
from slipway.embedded import engine_project
from slipway.errors import EngineAwayError, NoRoomError, SettingsError, StackError
from slipway.stack import containers
from slipway.stack.stack import Stack

GIB = 2**30
LOW, EMPTY = 5 * GIB, 1 * GIB
STANDARD_SOCKET = "/var/run/docker.sock"
MOUNTED = ("dags", "plugins", "jobs", "images")


def socket() -> str:
    """The engine's socket as its own machine knows it: what is mounted into the scheduler.

    Raises EngineAwayError for an engine on another machine, where this checkout's folders can't be mounted.
    """
    address = engine.host()
    if not address.startswith("unix://"):
        raise EngineAwayError(
            f"the engine at {address} is on another machine, and the stack mounts this checkout's folders:"
            " run `make up` there, or choose the engine of this one (`docker context use default`)"
        )
    # Desktop programs run the engine in a machine of their own, where its socket has the standard place.
    return STANDARD_SOCKET if sys.platform == "darwin" else address.removeprefix("unix://")


def socket_group(client: docker.APIClient, image: str, path: str) -> str:
    """The group that may use the engine, as a container sees it: the number differs from machine to machine.

    Raises StackError when it can't be measured.
    """
    try:
        container = client.create_container(
            image,
            entrypoint=["stat", "-c", "%g", "/engine.sock"],
            labels={engine_project.PROJECT: "measuring"},
            host_config=client.create_host_config(
                binds={path: {"bind": "/engine.sock", "mode": "ro"}}, network_mode="none"
            ),
        )["Id"]
        try:
            client.start(container)
            ended = client.wait(container)["StatusCode"]
            said = client.logs(container).decode(errors="replace").strip()
        finally:
            client.remove_container(container, v=True, force=True)
    except APIError as error:
        raise StackError(f"the engine's socket {path} can't be mounted: {error.explanation}") from error
    if ended or not said.isdigit():
        raise StackError(f"the group of the engine's socket {path} can't be read: {said or ended}")
    return said


def check_ports(client: docker.APIClient, stack: Stack) -> None:
    """Raises PortTakenError for a port that neither is free nor published by this stack already."""
    own = {port for service in containers.services(client, stack) if service.state["Running"] for port in service.ports}
    for name, port in (("AIRFLOW_PORT", stack.airflow_port), ("MLFLOW_PORT", stack.settings.mlflow_port)):
        if port not in own:
            ports.check_free(port, name, "up", holder(client, stack, port))


def holder(client: docker.APIClient, stack: Stack, port: int) -> str:
    """Who publishes the port, where that is a container, and what to do about it."""
    for container in client.containers():
        if port in [published.get("PublicPort") for published in container["Ports"]]:
            name = container["Names"][0].lstrip("/")
            demo = name == stack.settings.mlflow_container
            return "the MLflow of `make demo`: `make stop` ends it" if demo else f"the container {name}"
    return ""


def free_bytes(client: docker.APIClient) -> int | None:
    """Room where the engine stores; None where that place can't be seen from here."""
    root: Any = client.info().get("DockerRootDir") or ""
    try:
        found = os.statvfs(root)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def check_room(client: docker.APIClient) -> str:
    """A warning where room is short, or nothing.

    Raises NoRoomError where there is so little that databases would break.
    """
    free = free_bytes(client)
    if free is None or free >= LOW:
        return ""
    said = f"{free / GIB:.1f} GiB are free where the engine stores"
    if free < EMPTY:
        raise NoRoomError(
            f"only {said}, and the stack needs 1: remove what you don't need (`docker system df` shows it)"
        )
    return f"warning: only {said}: the databases stop when nothing is left (`docker system df` shows what takes room)"


def check_network(client: docker.APIClient, stack: Stack) -> None:
    """Raises StackError for the jobs' network of another kind of store: compose leaves a network as it was made."""
    for found in client.networks(names=[f"{stack.name}-jobs"]):
        if found["Name"] == f"{stack.name}-jobs" and found["Internal"] != stack.own_store:
            raise StackError(
                f"the network {found['Name']} {'has a' if stack.own_store else 'lacks the'} way out that a store by"
                " S3_ENDPOINT_URL needs: that setting changed, so `make down` (it keeps the data), then `make up`"
            )


def check_readable(stack: Stack) -> None:
    """Raises SettingsError for a mounted file that the services' users could not read."""
    for folder in [*(settings.ROOT / name for name in MOUNTED), *stack.settings.pipelines[1:]]:
        for path in [folder, *folder.rglob("*")]:
            if hidden(path):
                raise SettingsError(
                    f"{path} is readable by its owner only, and Airflow's containers are another user:"
                    f" `chmod -R a+rX {folder}`"
                )


def hidden(path: Path) -> bool:
    mode = path.lstat().st_mode
    needed = 0o005 if stat.S_ISDIR(mode) else 0o004
    return not path.is_symlink() and "__pycache__" not in path.parts and mode & needed != needed


def connect(timeout_seconds: int = 600) -> docker.APIClient:
    """A client with time for slow answers; raises EngineAwayError."""
    try:
        return engine.connect(timeout_seconds)
    except EngineAwayError as error:
        # Processes instead of containers are a way out for a demo, not for the stack.
        raise EngineAwayError(
            f"no Docker engine answers at {engine.host()}: start it (`docker info` shows when it is up)"
        ) from error
