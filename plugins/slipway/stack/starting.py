"""`slipway up`: check what the stack needs, have its images, start it, and say where it is."""

import docker

from slipway import settings
from slipway.embedded import engine_project
from slipway.errors import EnvFileError
from slipway.progress import say
from slipway.settings import Settings
from slipway.stack import (
    compose,
    compose_program,
    containers,
    env_file,
    host,
    pinned,
    secret_values,
    stack,
    stopping,
    waiting,
)
from slipway.stack.compose import Compose
from slipway.stack.stack import Stack

TRIES = 5


@engine_project.faults_told()
def up() -> None:
    """Start what doesn't run yet; what runs as it should is left alone.

    Raises SlipwayError with one line where something is in the way.
    """
    with host.connect() as client:
        say(f"engine {client.version()['Version']} at {host.socket()}")
        program = compose_program.words()
        deployed = ready(client)
        filled = parts(client, deployed.settings)
        start(client, Compose(program, deployed, filled))
        say(report(deployed))


def ready(client: docker.APIClient) -> Stack:
    """The stack's settings, complete, with nothing of the machine in its way."""
    deployed = stack.read()
    complete(client, deployed)
    deployed = stack.read()
    compose.write_override(deployed)
    host.check_readable(deployed)
    host.check_ports(client, deployed)
    host.check_network(client, deployed)
    if warning := host.check_room(client):
        say(warning)
    return deployed


def complete(client: docker.APIClient, deployed: Stack) -> None:
    """Add to `.env` the secrets that it lacks; the first start makes all of them.

    Raises EnvFileError rather than make a new key for data that only the old one opens.
    """
    secret_values.check(deployed.given, stack.ENV_FILE)
    missing = secret_values.missing(deployed.given, stack.ENV_FILE)
    if secret_values.FERNET in missing and (held := containers.volumes(client, deployed)):
        raise EnvFileError(
            f"{stack.ENV_FILE} has no {secret_values.FERNET}, and {held[0]} holds data that the lost one opens:"
            " restore .env from a backup (its secrets.env), or begin anew with `make down VOLUMES=1`"
        )
    if missing or not env_file.is_private(stack.ENV_FILE):
        env_file.complete(stack.ENV_FILE, missing)
        say(f"{stack.ENV_FILE}: {len(missing)} secrets made, for its owner's eyes only (mode 0600)")


def parts(client: docker.APIClient, deployed: Settings) -> dict[str, str]:
    """What compose fills in beside the settings: images, and the engine's socket with its group."""
    images = pinned.prepare(client, deployed.images)
    path = host.socket()
    group = host.socket_group(client, images["IMAGE_AIRFLOW"], path)
    return {**images, "DOCKER_SOCKET": path, "DOCKER_GROUP": group}


def known(deployed: Settings) -> dict[str, str]:
    """The same for commands that work on what runs already: no service is made from it."""
    return {**pinned.references(deployed.images), "DOCKER_SOCKET": host.STANDARD_SOCKET, "DOCKER_GROUP": "0"}


def start(client: docker.APIClient, composed: Compose, *services: str) -> None:
    """Bring services up, all of them unless some are named, and wait until they are ready."""
    log = settings.ROOT / ".slipway" / "logs" / "up.log"
    calm(client, composed.stack)
    before = {waiting.start_of(service) for service in containers.services(client, composed.stack) if service.ended}
    # Compose gives up at the first failed health check, and on a busy machine some fail on the way.
    for _ in range(TRIES):
        with composed.start(log, "up", "--detach", "--remove-orphans", *services) as composing:
            if waiting.follow(client, composed.stack, composing, log, services, before):
                return
    raise waiting.refused(log)


def calm(client: docker.APIClient, deployed: Stack) -> None:
    """Stop what falls over again and again, so that it begins anew with what it needs.

    The engine waits longer before each try, and its count of them would be taken for a fault of this start.
    """
    for service in containers.services(client, deployed):
        if service.falling:
            stopping.stop_one(service)


def report(deployed: Stack) -> str:
    return f"""
Airflow  {deployed.airflow_url}  user admin, password AIRFLOW_ADMIN_PASSWORD in .env
MLflow   {deployed.mlflow_url}  user admin, password MLFLOW_ADMIN_PASSWORD in .env

Unpause a pipeline's DAGs in Airflow, then trigger its ingest: train and predict follow it.
`slipway land` brings in files of yours. `make down` stops all of it and keeps the data;
`make doctor` looks it over; `make backup` saves it."""
