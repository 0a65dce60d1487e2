"""Which image a job runs in: what was built on this machine, else what the lock says was released."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import ContractError, ImageMissingError

VERSION = "org.opencontainers.image.version"
REVISION = "org.opencontainers.image.revision"
LOCK = "slipway.lock"


@dataclass(frozen=True)
class ImageRef:
    """One version of an image; `reference` is an image ID or a `name@sha256:…`, never a tag."""

    name: str
    version: str
    lock: str
    reference: str

    def identity(self, labels: dict[str, str], image_id: str | None) -> dict[str, Any]:
        """What inputs.json says of the image; no ID where the job runs without one."""
        revision = labels.get(REVISION)
        return {"name": self.name, "version": self.version, "id": image_id, "revision": revision, "lock": self.lock}


def resolve(name: str, folder: Path) -> ImageRef:
    """The image of that name in a folder with `images.lock` and, where images were built, `images.local.json`.

    Raises ImageMissingError when it was neither built here nor released.
    """
    locked = line_of(name, folder)
    reference = built_here(folder).get(name) or locked.get("digest")
    if not reference:
        raise ImageMissingError(f"image {name} {locked['version']} was not built here: run `make images`")
    return ImageRef(name, str(locked["version"]), locked["lock"], reference)


def check_built(image: ImageRef, labels: dict[str, str]) -> None:
    """Refuse a local build of another version than images.lock names, as after a rollback of its line.

    Raises ImageMissingError.
    """
    there = (labels.get(VERSION), labels.get(LOCK))
    if there != (image.version, image.lock):
        raise ImageMissingError(
            f"image {image.name} on this engine is version {there[0]}, lock {str(there[1])[:19]}; images.lock names"
            f" {image.version}, lock {image.lock[:19]}: run `make images`"
        )


def without_engine(name: str, folder: Path) -> ImageRef:
    """The image whose lock a job follows when it runs as a process."""
    locked = line_of(name, folder)
    return ImageRef(name, str(locked["version"]), locked["lock"], "process")


def line_of(name: str, folder: Path) -> dict[str, Any]:
    """One image's line of images.lock."""
    locked = read_lock(folder).get(name)
    if locked is None:
        raise ContractError(f"image {name!r} is not in {folder / 'images.lock'}: add its line and run `make lock`")
    return locked


def read_lock(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of images.lock, by image."""
    path = folder / "images.lock"
    if not path.is_file():
        raise ContractError(f"{path} is missing: SLIPWAY_IMAGES names the folder that holds it")
    locked: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return locked


def built_here(folder: Path) -> dict[str, str]:
    """Image IDs of what `make images` built on this machine, by image."""
    path = folder / "images.local.json"
    try:
        built = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {str(name): str(image_id) for name, image_id in built.items()}
    except (ValueError, AttributeError) as error:
        raise ImageMissingError(f"{path} can't be read ({error}): `make images` writes it anew") from error
