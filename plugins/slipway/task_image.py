"""The image that all tries of a task run in."""

from typing import Any

import docker

from slipway import image_refs, registry, settings
from slipway.container import Log
from slipway.contracts import Contract
from slipway.engine_connection import EngineConnection
from slipway.errors import ImageMissingError
from slipway.image_refs import ImageRef
from slipway.task_memory import TaskMemory


def chosen(
    engine: docker.APIClient, contract: Contract, memory: TaskMemory, connection: EngineConnection, log: Log
) -> tuple[ImageRef, dict[str, Any]]:
    """The image that the first try began with, and what inputs.json says of it.

    Raises ImageMissingError, RegistryAwayError or RegistryLoginError.
    """
    kept = memory.image()
    image = kept or image_refs.resolve(contract.image, settings.read().images)
    try:
        found = registry.on_engine(engine, image, connection.login(registry.address(image.reference)), log)
    except ImageMissingError as error:
        began = ": this DAG run began with it; a new DAG run takes today's image" if kept else ""
        raise ImageMissingError(f"{error}{began}") from error
    labels = found["Config"].get("Labels") or {}
    if not kept:
        image_refs.check_built(image, labels)
        memory.keep_image(image)
    return image, image.identity(labels, found["Id"])
