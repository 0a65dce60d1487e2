"""The images of the stack: built here from what changed, else taken by the digests of images.lock."""

import subprocess
import sys
from pathlib import Path

import docker

from slipway import image_refs, registry, settings
from slipway.errors import ImageMissingError, SlipwayError
from slipway.progress import Line

SERVICES = ("airflow", "mlflow", "postgres", "store")
BUILD = settings.ROOT / "images" / "build.py"


def prepare(client: docker.APIClient, folder: Path) -> dict[str, str]:
    """Have the images of services and jobs on the engine; what compose fills in for each service's.

    Raises ImageMissingError when one can be neither built nor pulled; the build has said why.
    """
    if released(folder):
        for name in image_refs.read_lock(folder):
            if name != "base":
                pull(client, image_refs.resolve(name, folder))
    elif exit_code := subprocess.run([sys.executable, BUILD], check=False).returncode:
        raise ImageMissingError(f"the images were not built (exit code {exit_code}): see the lines above")
    return references(folder)


def released(folder: Path) -> bool:
    """Whether this checkout built nothing and every image has a digest to be had by."""
    lines = [line for name, line in image_refs.read_lock(folder).items() if name != "base"]
    return not image_refs.built_here(folder) and all(line.get("digest") for line in lines)


def pull(client: docker.APIClient, image: image_refs.ImageRef) -> None:
    """Have a released image on the engine, with the login that `docker login` left."""
    line = Line(f"image {image.name} {image.version}")
    try:
        registry.on_engine(client, image, None, lambda far: line.running(far.rpartition(": ")[2]))
    except SlipwayError:
        line.broken_off()
        raise
    line.done("is on the engine")


def references(folder: Path) -> dict[str, str]:
    """What compose fills in for each service's image, as things are.

    Raises ImageMissingError for one that was neither built here nor released.
    """
    return {f"IMAGE_{name.upper()}": image_refs.resolve(name, folder).reference for name in SERVICES}
