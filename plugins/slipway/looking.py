"""What only a job's own code can tell beside the lake: asked of it without letting the job run."""

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from requests import RequestException

from slipway import container, image_refs, process, registry, settings
from slipway.contracts import Contract, Limits
from slipway.engine_connection import EngineConnection
from slipway.errors import EngineAwayError, LookFailedError
from slipway.job_inputs import JobRequest
from slipway.settings import Settings

MODULE = "jobs.unchanged"
PATIENCE_SECONDS = 120


def image_of(contract: Contract, connection: EngineConnection, deployed: Settings) -> dict[str, Any]:
    """The image that the job would run in now, as inputs.json names it."""
    if deployed.runtime == "process":
        code = {image_refs.REVISION: process.code_of(contract.job)}
        return image_refs.without_engine(contract.image, deployed.images).identity(code, None)
    image = image_refs.resolve(contract.image, deployed.images)
    with connection.client() as client:
        login = connection.login(registry.address(image.reference))
        found = registry.on_engine(client, image, login, lambda far: None)
    labels = found["Config"].get("Labels") or {}
    image_refs.check_built(image, labels)
    return image.identity(labels, found["Id"])


def look(request: JobRequest, contract: Contract, limits: Limits, connection: EngineConnection) -> dict[str, Any]:
    """The completed `parts`, whether they are a `hit`, and `why` the job runs or need not.

    Raises LookFailedError or EngineAwayError.
    """
    exit_code, said, errors = asked(MODULE, request, contract, limits, connection)
    try:
        answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        return answer
    except (ValueError, IndexError):
        last = "".join(errors.strip().splitlines()[-1:]) or "it said nothing"
        raise LookFailedError(
            f"{request.job} could not look at the lake (exit code {exit_code}): {last}: is the lake's storage up, and"
            " was the job's image built from this checkout (`make images`)?"
        ) from None


def asked(
    module: str, request: JobRequest, contract: Contract, limits: Limits, connection: EngineConnection
) -> tuple[int, str, str]:
    """Exit code, output and errors of a module beside the job, where the job itself would run."""
    if settings.read().runtime == "process":
        return in_process(module, request)
    with connection.client() as client:
        return in_container(client, module, request, contract, limits)


def in_container(
    client: docker.APIClient, module: str, request: JobRequest, contract: Contract, limits: Limits
) -> tuple[int, str, str]:
    """As the job itself would be run, and for as long as it takes to look."""
    limits = replace(limits, timeout_seconds=PATIENCE_SECONDS)
    words = ("python", "-m", module, "--inputs", "/job/in/inputs.json")
    made = container.create(client, request.inputs["image"]["id"], request, replace(contract, command=words), limits)
    try:
        made.fill(request)
        made.start(request.job)
        exit_code = client.wait(made.id, timeout=PATIENCE_SECONDS)["StatusCode"]
        said, errors = (client.logs(made.id, stdout=out, stderr=not out).decode("utf-8") for out in (True, False))
    except (DockerException, RequestException) as error:
        raise EngineAwayError(f"the engine broke off while {request.job} looked at the lake ({error})") from error
    finally:
        with suppress(DockerException, RequestException):
            made.remove()
    return exit_code, said, errors


def in_process(module: str, request: JobRequest) -> tuple[int, str, str]:
    with tempfile.TemporaryDirectory(prefix="slipway-look-") as name:
        folder = Path(name)
        process.fill(folder, request)
        done = subprocess.run(
            [sys.executable, "-m", module, "--inputs", str(folder / "in" / "inputs.json")],
            cwd=settings.read().jobs.parent,
            env=process.environment(folder, request),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    return done.returncode, done.stdout, done.stderr
