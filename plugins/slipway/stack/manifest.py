"""What a backup says of itself: its parts with their sums, what they hold, and the versions that wrote them."""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from slipway import image_refs
from slipway.errors import BackupError
from slipway.progress import Line
from slipway.settings import Settings

NAME = "manifest.json"
FORMAT = 1
CHUNK_BYTES = 2**20


@dataclass
class Manifest:
    """`counts` are rows by database and table, and objects of the bucket."""

    made: str
    versions: dict[str, str]
    images: dict[str, Any]
    store: dict[str, str]
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    format: int = FORMAT


def begin(deployed: Settings, store: dict[str, str]) -> Manifest:
    return Manifest(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={name: importlib.metadata.version(name) for name in ("slipway", "apache-airflow", "mlflow")},
        images=image_refs.read_lock(deployed.images),
        store=store,
    )


def write(manifest: Manifest, folder: Path) -> None:
    (folder / NAME).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Raises BackupError where the folder holds no whole backup."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        manifest = Manifest(**found)
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {NAME}, which `make backup` writes last") from None
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{folder / NAME} can't be read ({error}): take another backup") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} is a backup of format {manifest.format}, and this is {FORMAT}: restore it there")
    return manifest


def save(manifest: Manifest, path: Path, produce: Callable[[Callable[[IO[bytes]], None]], None]) -> None:
    """Write one part as it streams in, and note its sum and size."""
    digest, line, size = hashlib.sha256(), Line(path.name), 0

    def take(source: IO[bytes]) -> None:
        nonlocal size
        with path.open("wb") as target:
            for chunk in chunks(source):
                target.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                line.running(f"{size / 1e6:.0f} MB,")

    produce(take)
    manifest.parts[path.name] = {"sha256": digest.hexdigest(), "bytes": size}
    line.done(f"{size / 1e6:.1f} MB, {line.seconds:.0f} s")


def check(manifest: Manifest, folder: Path) -> None:
    """Raises BackupError for a part that is not as it was written."""
    for name, known in manifest.parts.items():
        digest, line = hashlib.sha256(), Line(name)
        try:
            with (folder / name).open("rb") as source:
                for chunk in chunks(source):
                    digest.update(chunk)
                    line.running("checking,")
        except OSError as error:
            raise BackupError(f"{folder / name} can't be read ({error.strerror}): take another backup") from error
        if digest.hexdigest() != known["sha256"]:
            raise BackupError(f"{folder / name} is not as it was written (its sha256 differs): take another backup")
        line.done("as it was written")


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk
