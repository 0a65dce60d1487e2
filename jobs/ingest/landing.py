"""The folder in the lake's storage where files arrive for ingest."""

import fnmatch
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from jobs.errors import SourceFileError, UsageError
from jobs.lake import lake_uri

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LandedFile:
    """A file to read: its name relative to landing, and where its bytes are on this disk."""

    name: str
    path: Path


def landed_files(pattern: str, scratch: Path) -> Iterator[LandedFile]:
    """Files that match the glob, by name; a remote one is on scratch from its turn to the next one's.

    Raises SourceFileError when none does, and says what is there instead.
    """
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "://" in pattern:
        raise UsageError(f"source.files: {pattern} must be a glob relative to landing, without ..")
    landing = f"{lake_uri()}/landing"
    remote = landing.startswith("s3://")
    there = list(filter(_has_arrived, _keys(landing) if remote else _local_names(Path(landing))))
    names = sorted(name for name in there if _matches(name, pattern))
    if not names:
        raise SourceFileError(f"no file matches {pattern} in {landing}: {_listing(there)}")
    for number, name in enumerate(names):
        if not remote:
            yield LandedFile(name, Path(landing) / name)
            continue
        # Numbered, because two folders may hold files of one name.
        path = scratch / f"fetched-{number}{PurePosixPath(name).suffix}"
        _fetch(landing, name, path)
        yield LandedFile(name, path)
        path.unlink()


def _has_arrived(name: str) -> bool:
    # Uploads wait in .incoming until they are whole, and a glob's * would match that name, too.
    return not any(part.startswith(".") for part in PurePosixPath(name).parts)


def _matches(name: str, pattern: str) -> bool:
    # Part by part, because fnmatch's * crosses folders.
    parts, patterns = PurePosixPath(name).parts, PurePosixPath(pattern).parts
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _local_names(landing: Path) -> list[str]:
    inside = landing.resolve()
    # A link may point anywhere on the host; only what really lies in landing is data.
    files = (path for path in landing.rglob("*") if path.is_file() and path.resolve().is_relative_to(inside))
    return [path.relative_to(landing).as_posix() for path in files]


def _listing(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"there is {shown}" if names else "the folder is empty; put the file there, then run ingest again"


def _keys(landing: str) -> list[str]:
    address = urlparse(f"{landing}/")
    prefix = address.path.lstrip("/")
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=address.netloc, Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]


def _fetch(landing: str, name: str, path: Path) -> None:
    # A key may hold ? and #, which an address would end at.
    address = urlparse(landing)
    log.info("fetching %s/%s", landing, name)
    _s3().download_file(address.netloc, f"{address.path.lstrip('/')}/{name}", str(path))


def _s3() -> Any:
    import boto3  # type: ignore[import-untyped]  # only a lake on S3 needs it, and it has no types

    return boto3.client("s3")
