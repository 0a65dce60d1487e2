"""One container with one labelled volume for one task instance: created, filled, watched, removed."""

import io
import re
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount

from slipway import job_folder, labels, settings
from slipway.contracts import Contract, Limits
from slipway.errors import EngineAwayError
from slipway.hardening import JOB_USER, hardened
from slipway.job_inputs import JobRequest

OUTPUTS = "/job/out/outputs.json"
# Airflow's supervisor kills a task 5 s after it asked it to stop.
STOP_SECONDS = 2
# A job stops itself so much after its timeout, where no operator did before.
LATER_SECONDS = 15

Log = Callable[[str], None]


class Container:
    """A container on one engine, known by its ID."""

    def __init__(self, client: docker.APIClient, container: str) -> None:
        self.client = client
        self.id = container

    def inspect(self) -> dict[str, Any]:
        """Raises NotFound, or what the client raises when the engine does not answer."""
        found: dict[str, Any] = self.client.inspect_container(self.id)
        return found

    def fill(self, request: JobRequest) -> None:
        user = self.inspect()["Config"]["User"].partition(":")[0]
        # A user that the image knows by name alone can't be told apart from here, and gets what root may read.
        owner = int(user) if user.isdigit() else 0
        self.client.put_archive(self.id, "/job", job_folder.archive(request, owner))

    def start(self, job: str) -> None:
        try:
            self.client.start(self.id)
        except APIError as error:
            raise refused(job, error) from error

    def outputs_text(self) -> str | None:
        """The text of outputs.json; None where the job left none."""
        try:
            stream, _ = self.client.get_archive(self.id, OUTPUTS)
        except NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            return member.read().decode("utf-8", errors="replace") if member else None

    def stop(self) -> None:
        """Ask the job to end, then end it; paused ones too."""
        with suppress(NotFound):
            self.client.stop(self.id, timeout=STOP_SECONDS)

    def end(self) -> None:
        """Stop and remove."""
        self.stop()
        self.remove()

    def remove(self) -> None:
        """Remove container and volume; one that is gone already is fine."""
        try:
            self.client.remove_container(self.id, v=True, force=True)
        except APIError as error:
            # Gone, or going: somebody else removes it.
            if error.status_code not in (404, 409):
                raise


def create(
    client: docker.APIClient, image_id: str, request: JobRequest, contract: Contract, limits: Limits
) -> Container:
    """A container that is there but runs not yet.

    Raises EngineAwayError when the engine refuses, as it does where this task instance has one already.
    """
    told = labels.of(request.inputs, contract, limits, settings.read())
    user = None if "user" in contract.unhardened else f"{JOB_USER}:{JOB_USER}"
    try:
        made = client.create_container(
            image=image_id,
            name=labels.container_name(told),
            command=list(contract.command),
            environment={**request.environment, **own(limits)},
            labels=told,
            host_config=host_config(client, request, contract, limits, told),
            user=user,
        )
    except APIError as error:
        raise refused(request.job, error) from error
    return Container(client, made["Id"])


def own(limits: Limits) -> dict[str, str]:
    """What every job is told of its container."""
    deadline = str(limits.timeout_seconds + LATER_SECONDS)
    return {"SLIPWAY_SCRATCH": "/job/scratch", "SLIPWAY_DEADLINE_SECONDS": deadline}


def host_config(
    client: docker.APIClient, request: JobRequest, contract: Contract, limits: Limits, told: dict[str, str]
) -> dict[str, Any]:
    deployed = settings.read()
    mounts = [Mount(type="volume", target="/job", source=None, labels=told)]
    if request.environment.get("LAKE_URI", "").startswith("/"):
        mounts.append(lake_mount(deployed.lake_volume))
    config: dict[str, Any] = client.create_host_config(
        mounts=mounts,
        network_mode=deployed.network,
        nano_cpus=int(limits.cpus * 1e9),
        **hardened(limits.memory_bytes, without=contract.unhardened),
    )
    return config


def lake_mount(place: str) -> Mount:
    """A volume, or with an absolute path a folder of the engine's host, which must be there."""
    return Mount(type="bind" if place.startswith("/") else "volume", target=settings.LAKE_IN_CONTAINER, source=place)


def refused(job: str, error: APIError) -> EngineAwayError:
    deployed = settings.read()
    return EngineAwayError(
        f"the engine refused to start {job}: {error.explanation}: is the network {deployed.network} there"
        " (SLIPWAY_NETWORK names it), and has the engine room for one more container?"
    )


def of_instance(client: docker.APIClient, inputs: dict[str, Any]) -> list[Container]:
    """Every container of this task instance, whichever try made it; those that run come first."""
    wanted = labels.instance(inputs, settings.read())
    found = client.containers(all=True, filters={"label": [f"{name}={value}" for name, value in wanted.items()]})
    order = sorted(found, key=lambda one: one["State"] not in ("running", "paused"))
    return [Container(client, one["Id"]) for one in order]


def engine_time(client: docker.APIClient) -> datetime:
    """Now, by the engine's clock: the one that its times of start and end are told by."""
    return moment(client.info()["SystemTime"])


def moment(text: str) -> datetime:
    """A time as engines write it: RFC 3339 with up to nine digits of a second."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
