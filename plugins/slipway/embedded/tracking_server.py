"""MLflow as the one container of the embedded deployment, its data in a volume, its port on loopback alone.

Jobs meet it on their network; its port is published by the other one, since an internal network publishes none.
"""

import hashlib
import json
import time
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount

from slipway import engine, image_refs, mlflow_rest, ports
from slipway.embedded import engine_project
from slipway.errors import EngineAwayError, TrackingAwayError
from slipway.hardening import hardened
from slipway.progress import Line
from slipway.settings import Settings

DATA = "/mlflow"
PORT = 5000
START_SECONDS = 120


def up(client: docker.APIClient, deployed: Settings) -> None:
    """Start MLflow and wait until its API answers; the same container is kept while image and port are the same.

    Raises ImageMissingError, PortTakenError, NetworkInUseError, or TrackingAwayError when it doesn't come up.
    """
    image = image_refs.resolve("mlflow", deployed.images)
    image_id = engine.inspect_image(client, image.reference, f"{image.name} {image.version}")["Id"]
    engine_project.replace_older_network(client, deployed)
    engine_project.prepare(client, deployed)
    wanted = wish(client, image_id, deployed)
    running(client, wanted, deployed)
    wait(client, deployed)


def wish(client: docker.APIClient, image_id: str, deployed: Settings) -> dict[str, Any]:
    """What the container is created from; its fingerprint tells whether one that exists is still the right one.

    The server's command line and settings are the image's own.
    """
    options: dict[str, Any] = {
        "image": image_id,
        # Uploads pass through files; in the tmpfs they would count as memory.
        "environment": {"TMPDIR": DATA},
        "ports": [PORT],
        "host_config": host_config(client, deployed),
    }
    made_from = {**options, "network": deployed.network}
    fingerprint = hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()
    return {**options, "labels": engine_project.labels(deployed, service="mlflow", fingerprint=fingerprint)}


def host_config(client: docker.APIClient, deployed: Settings) -> dict[str, Any]:
    config: dict[str, Any] = client.create_host_config(
        mounts=[Mount(type="volume", target=DATA, source=deployed.mlflow_volume)],
        network_mode=deployed.egress_network,
        port_bindings={PORT: (ports.LOOPBACK, deployed.mlflow_port)},
        # Links to runs still work after the machine was started anew.
        restart_policy={"Name": "unless-stopped"},
        **hardened(2**30, tmp_bytes=64 * 2**20),
    )
    return config


def running(client: docker.APIClient, wanted: dict[str, Any], deployed: Settings) -> None:
    """Keep, start or replace the container, so that the wanted one runs."""
    found = inspected(client, deployed)
    same = (
        found
        and (found["Config"]["Labels"] or {}).get("slipway.fingerprint") == wanted["labels"]["slipway.fingerprint"]
    )
    if found and same and found["State"]["Running"]:
        return
    if not (found and found["State"]["Running"] and published(found) == deployed.mlflow_port):
        ports.check_free(deployed.mlflow_port)
    if not same:
        if found:
            client.remove_container(found["Id"], v=True, force=True)
        create(client, wanted, deployed)
    start(client, deployed)


def create(client: docker.APIClient, wanted: dict[str, Any], deployed: Settings) -> None:
    """Create the container on both networks; one that can't have both is removed, and the next try begins afresh."""
    client.create_container(name=deployed.mlflow_container, **wanted)
    try:
        client.connect_container_to_network(deployed.mlflow_container, deployed.network, aliases=["mlflow"])
    except APIError:
        client.remove_container(deployed.mlflow_container, v=True, force=True)
        raise


def inspected(client: docker.APIClient, deployed: Settings) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.inspect_container(deployed.mlflow_container)
    except NotFound:
        return None
    return found


def published(found: dict[str, Any]) -> int | None:
    bindings = (found["HostConfig"]["PortBindings"] or {}).get(f"{PORT}/tcp") or [{}]
    return int(bindings[0].get("HostPort") or 0) or None


def start(client: docker.APIClient, deployed: Settings) -> None:
    """Start the container; one that can't have its port is removed, so that the next try begins afresh."""
    try:
        client.start(deployed.mlflow_container)
    except APIError as error:
        client.remove_container(deployed.mlflow_container, v=True, force=True)
        said = str(error.explanation or error)
        if "port is already allocated" in said or "address already in use" in said:
            raise ports.taken(deployed.mlflow_port) from error
        raise EngineAwayError(f"the engine refused to start {deployed.mlflow_container}: {said}") from error


def wait(client: docker.APIClient, deployed: Settings) -> None:
    """Wait until the API answers through the published port.

    Raises TrackingAwayError with the end of the server's log when it doesn't.
    """
    line = Line("MLflow")
    while not mlflow_rest.answers(deployed.mlflow_url):
        line.running("starting")
        time.sleep(0.2)
        found = inspected(client, deployed)
        # A server that falls over is started again by its restart policy, so one fall is not the end.
        if found is None or found["RestartCount"] > 2 or line.seconds > START_SECONDS:
            line.broken_off()
            raise TrackingAwayError(silent(client, deployed, line.seconds))
    line.done(f"at {deployed.mlflow_url}")


def silent(client: docker.APIClient, deployed: Settings, seconds: float) -> str:
    log = client.logs(deployed.mlflow_container, tail=1).decode(errors="replace").strip()
    return (
        f"MLflow did not answer at {deployed.mlflow_url} within {seconds:.0f} s; it last said {log!r}:"
        f" see `docker logs {deployed.mlflow_container}`"
    )
