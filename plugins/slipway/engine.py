"""The Docker engine that jobs run on: where it is, what it has, which images it holds."""

import os
from typing import Any

import docker
from docker import TLSConfig
from docker.context import ContextAPI
from docker.errors import DockerException, ImageNotFound

from slipway.errors import EngineAwayError, ImageMissingError


def host() -> str:
    """The engine's address: DOCKER_HOST, else that of the docker command's current context.

    docker-py 7.2 reads DOCKER_HOST alone, so Colima, rootless and remote contexts are looked up here.
    """
    if named := os.environ.get("DOCKER_HOST"):
        return named
    context = ContextAPI.get_current_context()
    return str(context.Host) if context else "unix:///var/run/docker.sock"


def connect(timeout_seconds: int = 60, address: str = "", tls: TLSConfig | None = None) -> docker.APIClient:
    """A client of the engine at that address; without one, of this machine's.

    Raises EngineAwayError when none answers.
    """
    address = address or host()
    try:
        return docker.APIClient(base_url=address, version="auto", timeout=timeout_seconds, tls=tls or False)
    except (DockerException, ValueError) as error:
        raise EngineAwayError(
            f"no Docker engine answers at {address}: start it (`docker info` shows when it is up),"
            " or set SLIPWAY_RUNTIME=process to run jobs without one"
        ) from error


def answers() -> bool:
    """Whether an engine is there, asked with a short limit."""
    try:
        connect(timeout_seconds=5).close()
    except EngineAwayError:
        return False
    return True


def inspect_image(client: docker.APIClient, reference: str, title: str) -> dict[str, Any]:
    """What the engine knows of an image.

    `images(name=<ID>)` is always empty, so an image is looked up by inspect alone.
    Raises ImageMissingError when it is not there: nothing is pulled behind the user's back.
    """
    try:
        found: dict[str, Any] = client.inspect_image(reference)
    except ImageNotFound:
        raise ImageMissingError(
            f"image {title} ({reference[:19]}) is not on this engine: run `make images` to build it"
        ) from None
    return found
