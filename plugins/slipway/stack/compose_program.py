"""Compose v2: Docker's plugin, else a program of its own, else Debian's package unpacked beside the checkout."""

import re
import shutil
import subprocess
import sys

from slipway import settings
from slipway.errors import ComposeMissingError
from slipway.progress import say

OLDEST = (2, 20)
FETCHED = settings.ROOT / ".slipway" / "bin" / "docker-compose"
FETCH = settings.ROOT / "images" / "compose.py"


def words(fetch: bool = True) -> list[str]:
    """The words that a compose command begins with.

    Raises ComposeMissingError when there is no compose new enough, and none can be fetched.
    """
    candidates = [["docker", "compose"], ["docker-compose"], [str(FETCHED)]]
    versions = {" ".join(candidate): version(candidate) for candidate in candidates}
    for candidate in candidates:
        if new_enough(versions[" ".join(candidate)]):
            return candidate
    if fetch:
        return [fetched(old(versions))]
    raise missing(old(versions), "")


def version(candidate: list[str]) -> str:
    """What this compose says its version is; empty where there is none."""
    if shutil.which(candidate[0]) is None:
        return ""
    # Version 1 has no `--short` for words after it and takes seconds to say so; both know it here.
    done = subprocess.run([*candidate, "version", "--short"], capture_output=True, text=True, check=False)
    return done.stdout.strip().lstrip("v") if done.returncode == 0 else ""


def new_enough(said: str) -> bool:
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2]) >= OLDEST


def old(versions: dict[str, str]) -> str:
    """The compose that is here but too old, as people should read it."""
    return " and ".join(f"`{name}` is {said}" for name, said in versions.items() if said)


def fetched(found: str) -> str:
    """The program out of Debian's package."""
    say("compose v2 is not installed: fetching Debian's package")
    done = subprocess.run([sys.executable, FETCH], capture_output=True, text=True, check=False)
    if done.returncode:
        raise missing(found, f" ({(done.stderr.strip() or 'no reason given').splitlines()[-1]})")
    return done.stdout.strip()


def missing(found: str, why: str) -> ComposeMissingError:
    least = ".".join(map(str, OLDEST))
    return ComposeMissingError(
        f"compose {least} or newer is missing{f': {found}' if found else ''}{why}: install the package"
        f" docker-compose-plugin (docker-compose-v2 on Ubuntu), or put its program at {FETCHED}"
    )
