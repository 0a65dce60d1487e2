"""What this deployment owns on the engine: two networks, two volumes, and containers, all under one label."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import APIError, NotFound

from slipway.embedded import private_network
from slipway.errors import EngineAwayError
from slipway.progress import say
from slipway.settings import Settings

PROJECT = "slipway.project"
SERVICE = "slipway.service"
JOB = "slipway.job"


@contextmanager
def faults_told() -> Iterator[None]:
    """Raises EngineAwayError, in one line, where the engine refuses or breaks off."""
    try:
        yield
    except APIError as error:
        raise EngineAwayError(
            f"the Docker engine refused: {error.explanation or error}: correct what it names, then run it again"
        ) from error
    except requests.RequestException as error:
        raise EngineAwayError(f"the Docker engine broke off ({error}): see `docker info`, then try again") from error


def labels(deployed: Settings, **more: str) -> dict[str, str]:
    return {PROJECT: deployed.project, **{f"slipway.{name}": value for name, value in more.items()}}


def owned(deployed: Settings) -> dict[str, Any]:
    """The filter that finds what is ours."""
    return {"label": [f"{PROJECT}={deployed.project}"]}


def prepare(client: docker.APIClient, deployed: Settings) -> None:
    """Create both networks and both volumes where they are not there yet."""
    with alone(deployed):
        private_network.create(client, deployed, labels(deployed))
    for volume in (deployed.lake_volume, deployed.mlflow_volume):
        client.create_volume(volume, labels=labels(deployed))


@contextmanager
def alone(deployed: Settings) -> Iterator[None]:
    """One at a time of those who make networks.

    Asked by two at once the engine makes two networks of one name, CheckDuplicate or not, and finds neither.
    """
    deployed.state.mkdir(parents=True, exist_ok=True)
    with (deployed.state / "network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace_older_network(client: docker.APIClient, deployed: Settings) -> None:
    """Remove a network of an older Slipway, which had a way out, and the MLflow on it, so that `prepare` makes it anew.

    Raises NetworkInUseError while something else uses it.
    """
    with alone(deployed):
        if older := private_network.older(client, deployed, labels(deployed)):
            private_network.check_unused(client, older, deployed)
            remove_service(client, deployed)
            client.remove_network(older)


def remove_service(client: docker.APIClient, deployed: Settings) -> None:
    """Remove the services' containers; their data stays."""
    for container in client.containers(all=True, filters={"label": [*owned(deployed)["label"], SERVICE]}):
        client.remove_container(container["Id"], v=True, force=True)


def remove_containers(client: docker.APIClient, deployed: Settings) -> list[str]:
    """Remove every container of this project, running or not, and the volumes that jobs left."""
    removed = []
    for container in client.containers(all=True, filters=owned(deployed)):
        client.remove_container(container["Id"], v=True, force=True)
        removed.append(f"container {container['Names'][0].lstrip('/')}")
    for volume in volumes(client, deployed):
        if JOB in (volume["Labels"] or {}):
            client.remove_volume(volume["Name"], force=True)
            removed.append(f"volume {volume['Name'][:12]}")
    return removed


def remove_data(client: docker.APIClient, deployed: Settings) -> list[str]:
    """Remove lake, tracking data and networks; what others still use stays, and is said."""
    # The engine makes a volume without labels when a job is the first to name it.
    by_name = {f"{deployed.project}-lake", deployed.mlflow_volume}
    names = {volume["Name"] for volume in volumes(client, deployed)} | by_name
    refused: list[str] = []
    removed = remove(client.remove_volume, {name: f"volume {name}" for name in sorted(names)}, refused)
    networks = {network["Id"]: f"network {network['Name']}" for network in client.networks(filters=owned(deployed))}
    removed += remove(client.remove_network, networks, refused)
    for one in refused:
        say(f"not removed: {one}")
    return removed


def volumes(client: docker.APIClient, deployed: Settings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.volumes(filters=owned(deployed))["Volumes"] or []
    return found


def remove(remover: Any, titles: dict[str, str], refused: list[str]) -> list[str]:
    """The titles of what was removed; what could not be goes to `refused`, with why. What is not there is neither."""
    removed = []
    for name, title in titles.items():
        try:
            remover(name)
        except NotFound:
            continue
        except APIError as error:
            refused.append(f"{title} ({error.explanation})")
        else:
            removed.append(title)
    return removed
