"""The folder in the lake's storage where files arrive for ingest."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from jobs import landed
from jobs.errors import SourceFileError, UsageError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LandedFile:
    """A file to read: its name relative to landing, and where its bytes are on this disk."""

    name: str
    path: Path


def landed_files(pattern: str, scratch: Path, only: Collection[str] | None = None) -> Iterator[LandedFile]:
    """Files that match the glob, by name; a remote one is on scratch from its turn to the next one's.

    With `only`, those of these names. Raises SourceFileError when none does, and says what is there instead.
    """
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "://" in pattern:
        raise UsageError(f"source.files: {pattern} must be a glob relative to landing, without ..")
    landing = landed.landing()
    remote = landing.startswith("s3://")
    there = landed.arrived(landing)
    names = sorted(name for name in there if landed.matches(name, pattern) and (only is None or name in only))
    if not names and only:
        raise SourceFileError(f"none of the {len(only)} files that were read then is in {landing}: {_listing(there)}")
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


def _listing(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"there is {shown}" if names else "the folder is empty; put the file there, then run ingest again"


def _fetch(landing: str, name: str, path: Path) -> None:
    # A key may hold ? and #, which an address would end at.
    address = urlparse(landing)
    log.info("fetching %s/%s", landing, name)
    landed.s3().download_file(address.netloc, f"{address.path.lstrip('/')}/{name}", str(path))
