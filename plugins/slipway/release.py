"""Bring images that were built here into a registry, and their digests into images.lock: `slipway release`."""

import re
from pathlib import Path
from typing import Any

import docker

from slipway import engine, image_refs, registry
from slipway.errors import ReleaseError
from slipway.image_refs import ImageRef
from slipway.progress import Line, say

# No job or service runs in it; the images made from it hold its layers.
FOUNDATION = "base"
UNNAMED_COMMIT = ("uncommitted", "-dirty")
PREFIX = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*")


def run(prefix: str, folder: Path, allow_dirty: bool) -> None:
    """Release every image that was built here; nothing is sent unless each of them may be.

    Raises ReleaseError, ImageMissingError, RegistryLoginError or RegistryAwayError.
    """
    if not PREFIX.fullmatch(prefix):
        raise ReleaseError(f"{prefix!r} is not the address of a registry: write it as registry.example.com/team")
    with engine.connect() as client:
        images = [image_refs.resolve(name, folder) for name in built(folder)]
        found = [engine.inspect_image(client, image.reference, f"{image.name} {image.version}") for image in images]
        for image, image_found in zip(images, found, strict=True):
            check(image, image_found, allow_dirty)
        held = [registry.digest_of(client, tag(prefix, image)) for image in images]
        for image, image_found, digest in zip(images, found, held, strict=True):
            check_new(client, prefix, image, image_found, digest)
        for image in images:
            write_digest(folder, image.name, sent(client, prefix, image))
    say(f"{len(images)} digests stand in {folder / 'images.lock'}: commit it")


def built(folder: Path) -> list[str]:
    """The images to release, by name; those that were not built here are told and left."""
    here = image_refs.built_here(folder)
    names = [name for name in image_refs.read_lock(folder) if name != FOUNDATION]
    for name in names:
        if name not in here:
            say(f"image {name} was not built here: left as it is")
    if not (found := [name for name in names if name in here]):
        raise ReleaseError("no image was built here: run `make images`")
    return found


def tag(prefix: str, image: ImageRef) -> str:
    return f"{prefix}/slipway-{image.name}:{image.version}"


def check(image: ImageRef, found: dict[str, Any], allow_dirty: bool) -> None:
    """Refuse what is not the lock's version, or was built from files that no commit holds."""
    labels = found["Config"].get("Labels") or {}
    image_refs.check_built(image, labels)
    revision = labels.get(image_refs.REVISION, "")
    if revision.endswith(UNNAMED_COMMIT) and not allow_dirty:
        raise ReleaseError(
            f"image {image.name} {image.version} was built from changes that are in no commit ({revision}):"
            " commit them and run `make images`, or release it with --allow-dirty"
        )


def check_new(client: docker.APIClient, prefix: str, image: ImageRef, found: dict[str, Any], held: str | None) -> None:
    """Refuse a version that the registry holds as another build: whoever runs it would get another image."""
    reference = tag(prefix, image)
    if held and f"{reference.rsplit(':', 1)[0]}@{held}" not in (found.get("RepoDigests") or []):
        raise ReleaseError(
            f"{reference} is in the registry already, as another build ({held[:19]}): give {image.name} a new version"
            " in images.lock and run `make images`"
        )


def sent(client: docker.APIClient, prefix: str, image: ImageRef) -> str:
    """Tag and push one image; its reference by digest."""
    reference = tag(prefix, image)
    repository = reference.rsplit(":", 1)[0]
    line = Line(f"{reference}")
    client.tag(image.reference, repository, image.version)
    try:
        digest = registry.push(client, reference, line.running)
    except Exception:
        line.broken_off()
        raise
    line.done(f"{digest[:19]} in {line.seconds:.0f} s")
    return f"{repository}@{digest}"


def write_digest(folder: Path, name: str, reference: str) -> None:
    """Put a digest into the image's line of images.lock; everything else in the file stays as it is."""
    path = folder / "images.lock"
    text = path.read_text(encoding="utf-8")
    line = re.compile(rf"^({re.escape(name)}:.*\bdigest:\s*)(?:null|\"[^\"]*\"|'[^']*')", re.MULTILINE)
    renewed, times = line.subn(lambda match: f'{match[1]}"{reference}"', text)
    if times != 1:
        raise ReleaseError(f"{path}: no line `{name}: {{…, digest: …}}` to write {reference} into: write it by hand")
    unfinished = path.with_suffix(".new")
    unfinished.write_text(renewed, encoding="utf-8")
    unfinished.replace(path)
