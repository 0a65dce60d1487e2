"""What lies in landing, the folder of the lake's storage where files arrive: told without reading any file."""

import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from jobs.lake import lake_uri, storage_options


def landing() -> str:
    """Raises UsageError where LAKE_URI is not set."""
    return f"{lake_uri()}/landing"


def arrived(place: str) -> list[str]:
    """Every file that has arrived, by its name relative to landing."""
    return list(filter(_has_arrived, _keys(place) if place.startswith("s3://") else _local(Path(place))))


def marks(place: str) -> dict[str, str]:
    """The same files, each with a mark that a new writing changes: its size and its time.

    An S3 client takes most of a second to come up, so what deltalake has of its own lists a bucket here.
    """
    if not place.startswith("s3://"):
        found = {name: (Path(place) / name).stat() for name in filter(_has_arrived, _local(Path(place)))}
        return {name: f"{state.st_size} {state.st_mtime_ns}" for name, state in found.items()}
    from deltalake.fs import DeltaStorageHandler  # it imports pyarrow
    from pyarrow.fs import FileSelector

    listed = DeltaStorageHandler(place, storage_options()).get_file_info_selector(
        FileSelector("", allow_not_found=True, recursive=True)
    )
    return {one.path: f"{one.size} {one.mtime_ns}" for one in listed if one.is_file and _has_arrived(one.path)}


def matches(name: str, pattern: str) -> bool:
    # Part by part, because fnmatch's * crosses folders.
    parts, patterns = PurePosixPath(name).parts, PurePosixPath(pattern).parts
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def s3() -> Any:
    import boto3  # type: ignore[import-untyped]  # only a lake on S3 needs it, and it has no types

    return boto3.client("s3")


def _has_arrived(name: str) -> bool:
    # Uploads wait in .incoming until they are whole, and a glob's * would match that name, too.
    return not any(part.startswith(".") for part in PurePosixPath(name).parts)


def _local(place: Path) -> list[str]:
    inside = place.resolve()
    # A link may point anywhere on the host; only what really lies in landing is data.
    files = (path for path in place.rglob("*") if path.is_file() and path.resolve().is_relative_to(inside))
    return [path.relative_to(place).as_posix() for path in files]


def _keys(place: str) -> list[str]:
    address = urlparse(f"{place}/")
    prefix = address.path.lstrip("/")
    pages = s3().get_paginator("list_objects_v2").paginate(Bucket=address.netloc, Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]
