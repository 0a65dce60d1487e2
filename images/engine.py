"""The Docker engine: what it holds, what it can pull, and the one line that says it is away."""

import json
import subprocess
from typing import Any

from images.recipe import BuildError

ENGINE_AWAY = 69


def require_engine() -> None:
    """Raises BuildError (exit 69) when no engine answers within 20 seconds."""
    try:
        answer = docker("version", "--format", "{{.Server.Version}}", timeout_seconds=20)
    except FileNotFoundError as error:
        raise BuildError("no docker command here: install Docker, or run with SLIPWAY_RUNTIME=process", 69) from error
    except subprocess.TimeoutExpired as error:
        raise BuildError("the Docker engine does not answer within 20 s: is it running?", ENGINE_AWAY) from error
    if answer.returncode:
        reason = (answer.stderr.strip() or "no answer").splitlines()[-1]
        raise BuildError(f"the Docker engine is not reachable ({reason}): start it, or set DOCKER_HOST", ENGINE_AWAY)


def inspect(reference: str) -> dict[str, Any] | None:
    """What the engine knows of an image, or None when it does not hold it."""
    answer = docker("image", "inspect", reference)
    return None if answer.returncode else json.loads(answer.stdout)[0]


def labels(image: dict[str, Any]) -> dict[str, str]:
    return image["Config"].get("Labels") or {}


def pull(reference: str, timeout_seconds: int) -> bool:
    """Whether a registry gave the image in time."""
    try:
        return docker("pull", "--quiet", reference, timeout_seconds=timeout_seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def docker(*arguments: str, timeout_seconds: int | None = None) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_seconds)
