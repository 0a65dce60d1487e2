"""The `.env` file of a deployment: read line by line, completed without touching what stands in it."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import EnvFileError

ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)")
PRIVATE = 0o600


@dataclass(frozen=True)
class Setting:
    """One `NAME=value` line, and where it stands."""

    name: str
    value: str
    number: int


def read(path: Path) -> dict[str, Setting]:
    """Each setting's last line that has a value; an absent file is an empty one.

    Raises EnvFileError, with the line's number, for a line that is no setting and for a name with two values.
    """
    found: dict[str, Setting] = {}
    for number, line in enumerate(text_of(path).splitlines(), 1):
        setting = parsed(path, number, line)
        if setting is None or not setting.value:
            continue
        before = found.setdefault(setting.name, setting)
        if before.value != setting.value:
            raise EnvFileError(
                f"{path}:{number}: {setting.name} has another value in line {before.number}: remove one of the two"
            )
    return found


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f"{path} can't be read ({error}): mend it, or restore it from a backup") from error


def parsed(path: Path, number: int, line: str) -> Setting | None:
    """The setting of one line; None for an empty one or a comment."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    match = ASSIGNMENT.fullmatch(line)
    value = match[2].strip() if match else ""
    half = value[:1] in ("'", '"') and (len(value) < 2 or value[-1] != value[0])
    if match is None or half or not line.isprintable():
        raise EnvFileError(
            f"{path}:{number}: this is no `NAME=value` line: complete it, or remove it"
            " (was the file written halfway? a backup holds its secrets)"
        )
    return Setting(match[1], value.strip("'\""), number)


def complete(path: Path, missing: dict[str, str]) -> None:
    """Add lines at the end; whoever looks at the file sees all of them or none, and only its owner can look."""
    real = path.resolve()
    text = text_of(real)
    # A file that was cut off in its last line must not swallow the first of ours.
    joint = "" if text.endswith("\n") or not text else "\n"
    unfinished = real.with_name(f"{real.name}.{os.getpid()}.new")
    try:
        write_private(unfinished, text + joint + "".join(f"{name}={value}\n" for name, value in missing.items()))
        unfinished.replace(real)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise EnvFileError(f"{real} can't be written ({error.strerror or error}): it is as it was") from error


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)


def is_private(path: Path) -> bool:
    """Whether nobody but the owner can read the file; an absent one tells nothing."""
    return not path.exists() or not stat.S_IMODE(path.stat().st_mode) & 0o077
