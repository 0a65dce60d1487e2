"""`slipway down`: let running tasks end, then remove what runs, and with `volumes` what is stored."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import docker

from slipway.embedded import engine_project
from slipway.errors import StackError
from slipway.progress import Line, say
from slipway.stack import compose, containers, host
from slipway.stack.containers import Service
from slipway.stack.stack import Stack

# Whoever writes ends before what it writes to.
STAGES = (
    ("scheduler",),
    ("dag-processor", "api-server", "airflow-init"),
    ("mlflow", "mlflow-init", "store-init"),
    ("store", "postgres"),
)
SPARE_SECONDS = 60
DEFAULT_GRACE_SECONDS = 10


@engine_project.faults_told()
def down(deployed: Stack, volumes: bool) -> list[str]:
    """What was removed. It needs neither compose nor a complete `.env`: labels say what belongs to the stack.

    Raises StackError, when all else is removed, with what others still use.
    """
    refused: list[str] = []
    with host.connect() as client:
        stop(client, deployed, containers.services(client, deployed))
        removed = remove_containers(client, deployed) + remove_jobs(client, deployed)
        removed += remove_networks(client, deployed, refused)
        removed += remove_volumes(client, deployed, refused) if volumes else []
    compose.override(deployed).unlink(missing_ok=True)
    if refused:
        raise StackError(f"not removed: {', '.join(refused)}: end what uses it, then run it again")
    return removed


def stop(client: docker.APIClient, deployed: Stack, services: list[Service]) -> None:
    """Stop the services in order, each with the grace that its container was made with."""
    for stage in STAGES:
        running = [service for service in services if service.name in stage and service.state["Running"]]
        if stage == ("scheduler",) and running:
            wait_for_tasks(client, deployed, running[0])
        with ThreadPoolExecutor(max_workers=len(stage)) as pool:
            list(pool.map(stop_one, running))


def wait_for_tasks(client: docker.APIClient, deployed: Stack, scheduler: Service) -> None:
    """Ask the scheduler to end, and show what it waits for: it starts nothing new, and ends when its tasks have."""
    jobs, line = containers.jobs(client, deployed), Line("scheduler")
    if jobs:
        say(f"{len(jobs)} jobs run: waiting up to {grace(client, scheduler)} s for them")
    with ThreadPoolExecutor(max_workers=1) as pool:
        stopping = pool.submit(stop_one, scheduler)
        while not stopping.done():
            line.running(f"{len(containers.jobs(client, deployed))} jobs still run,")
            wait([stopping], timeout=0.5)
    stopping.result()
    line.done("stopped")


def stop_one(service: Service) -> None:
    with host.connect() as client:
        seconds = grace(client, service)
    # Of its own, since a client's limit is for the whole answer, and this answer takes as long as the grace.
    with host.connect(seconds + SPARE_SECONDS) as client:
        client.stop(service.container_id, timeout=seconds)


def grace(client: docker.APIClient, service: Service) -> int:
    return int(client.inspect_container(service.container_id)["Config"].get("StopTimeout") or DEFAULT_GRACE_SECONDS)


def remove_containers(client: docker.APIClient, deployed: Stack) -> list[str]:
    said = []
    for found in client.containers(all=True, filters=labelled(deployed)):
        client.remove_container(found["Id"], v=True, force=True)
        said.append(f"container {found['Names'][0].lstrip('/')}")
    return said


def remove_jobs(client: docker.APIClient, deployed: Stack) -> list[str]:
    """What jobs of the stack left: containers whose task was cut off, and their volumes."""
    return engine_project.remove_containers(client, replace(deployed.settings, project=deployed.name))


def remove_networks(client: docker.APIClient, deployed: Stack, refused: list[str]) -> list[str]:
    found = {each["Id"]: f"network {each['Name']}" for each in client.networks(filters=labelled(deployed))}
    return engine_project.remove(client.remove_network, found, refused)


def remove_volumes(client: docker.APIClient, deployed: Stack, refused: list[str]) -> list[str]:
    found = {name: f"volume {name}" for name in containers.volumes(client, deployed)}
    return engine_project.remove(client.remove_volume, found, refused)


def labelled(deployed: Stack) -> dict[str, list[str]]:
    return {"label": [f"{containers.PROJECT}={deployed.name}"]}
