"""Which image a job runs in: what was built on this machine, else what the lock says was released."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import ContractError, ImageMissingError


@dataclass(frozen=True)
class ImageRef:
    """One version of an image; `reference` is an image ID or a `name@sha256:…`, never a tag."""

    name: str
    version: str
    lock: str
    reference: str

    def identity(self, labels: dict[str, str], image_id: str | None) -> dict[str, Any]:
        """What inputs.json says of the image; no ID where the job runs without one."""
        revision = labels.get("org.opencontainers.image.revision")
        return {"name": self.name, "version": self.version, "id": image_id, "revision": revision, "lock": self.lock}


def resolve(name: str, folder: Path) -> ImageRef:
    """The image of that name in a folder with `images.lock` and, where images were built, `images.local.json`.

    Raises ImageMissingError when it was neither built here nor released.
    """
    locked = read_lock(folder).get(name)
    if locked is None:
        raise ContractError(f"image {name!r} is not in {folder / 'images.lock'}: add its line and run `make lock`")
    reference = built_here(folder).get(name) or locked.get("digest")
    if not reference:
        raise ImageMissingError(f"image {name} {locked['version']} was not built here: run `make images`")
    return ImageRef(name, str(locked["version"]), locked["lock"], reference)


def without_engine(name: str, folder: Path) -> ImageRef:
    """The image whose lock a job follows when it runs as a process."""
    locked = read_lock(folder)[name]
    return ImageRef(name, str(locked["version"]), locked["lock"], "process")


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
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
