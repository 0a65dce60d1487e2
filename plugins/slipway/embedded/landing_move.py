"""Make files that have arrived as a whole visible in landing, by renames inside one file system.

Also run as a program in a container, so it has nothing but the standard library.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

COMPLETE = ".complete"
ABANDONED_SECONDS = 24 * 3600


def move(incoming: Path, folder: Path) -> dict[str, bool]:
    """Each moved file's name and whether it replaced one; empty when the arrival was broken off.

    `incoming` is removed whatever happens.
    """
    try:
        if not (incoming / COMPLETE).exists():
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        arrived = [path for path in sorted(incoming.iterdir()) if path.name != COMPLETE]
        return {path.name: replace(path, folder / path.name) for path in arrived}
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        sweep(incoming.parent)


def replace(path: Path, target: Path) -> bool:
    """Put the file in its place, for good also if the power goes; whether one was there before."""
    was_there = target.exists()
    sync(path)
    path.replace(target)
    sync(target.parent)
    return was_there


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(waiting: Path) -> None:
    """Remove what a sender that died left behind."""
    for path in waiting.iterdir():
        if path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    json.dump(move(Path(sys.argv[1]), Path(sys.argv[2])), sys.stdout)
