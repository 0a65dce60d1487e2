"""The object store's program: from the folder that SLIPWAY_RUSTFS names, else the official image."""

import hashlib
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from images import dotenv, engine
from images.recipe import ROOT, BuildError

# Beside the official image's program, so that one COPY line finds either.
PLACE = "usr/bin/rustfs-files"
PULL_SECONDS = 120


def image(say: Callable[[str], None], offline: bool) -> str:
    """The reference of an image that has RustFS under /usr/bin; empty where there is none.

    Raises BuildError when SLIPWAY_RUSTFS names a folder without it.
    """
    folder = dotenv.setting("SLIPWAY_RUSTFS")
    if folder:
        return imported(Path(folder))
    # Nobody waits for a registry for a program that will not run.
    if dotenv.setting("S3_ENDPOINT_URL"):
        return ""
    if engine.inspect(official()) or (not offline and engine.pull(official(), PULL_SECONDS)):
        return official()
    say(
        "store: no registry gives RustFS and SLIPWAY_RUSTFS names no folder that holds it:"
        " `make up` will need one of them, or a store of yours as S3_ENDPOINT_URL"
    )
    return ""


def official() -> str:
    """The reference that stands in store's Dockerfile."""
    text = (ROOT / "images" / "store" / "Dockerfile").read_text(encoding="utf-8")
    match = re.search(r"^ARG RUSTFS=(\S+)$", text, re.MULTILINE)
    if match is None:
        raise BuildError("images/store/Dockerfile has no line `ARG RUSTFS=…`: put it back")
    return match[1]


def imported(folder: Path) -> str:
    """The folder as an image of its own; made once for what it holds now."""
    if not os.access(folder / "rustfs", os.X_OK):
        raise BuildError(f"SLIPWAY_RUSTFS={folder} holds no program `rustfs`: correct it in .env")
    held = sorted(path for path in folder.resolve().rglob("*") if path.is_file())
    # Sizes and times, as make does: reading a third of a gigabyte would cost a second at each start.
    facts = [f"{path.relative_to(folder.resolve())} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in held]
    reference = f"slipway-rustfs:{hashlib.sha256(chr(10).join(facts).encode()).hexdigest()[:12]}"
    if engine.inspect(reference) is None:
        _import(folder, reference)
    return reference


def _import(folder: Path, reference: str) -> None:
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(folder, PLACE, filter=_anonymous)
        packed.seek(0)
        command = ["docker", "import", "-", reference]
        answer = subprocess.run(command, stdin=packed, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise BuildError(f"the engine did not take SLIPWAY_RUSTFS={folder}: {answer.stderr.strip()}")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, and readable by the store's user, whoever unpacked it with whatever mask."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755
    return member
