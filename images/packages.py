"""Debian packages fetched and unpacked beside the system: no root, nothing installed, signatures checked by apt."""

import os
import subprocess
import tempfile
from pathlib import Path
from shutil import which

from images.recipe import BuildError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def mirror(security: bool = False) -> str | None:
    """The Debian mirror that this machine's own apt uses, or None where it has none."""
    if which("apt-get") is None:
        return None
    form = "$(ORIGIN) $(RELEASE) $(REPO_URI)"
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    rows = [line.split() for line in answer.stdout.splitlines()]
    uris = [row[2] for row in rows if len(row) == 3 and row[0] == "Debian" and row[1].endswith("-security") == security]
    return uris[0] if uris else None


def can_fetch() -> bool:
    return KEYRING.is_file() and which("dpkg") is not None and mirror() is not None


def fetch(package: str, suite: str, target: Path) -> None:
    """Unpack the suite's package into the folder; raises BuildError with apt's last line."""
    with tempfile.TemporaryDirectory(prefix="slipway-apt-") as folder:
        state = Path(folder)
        for name in ("lists/partial", "cache/archives/partial", "download"):
            (state / name).mkdir(parents=True)
        (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n", encoding="utf-8")
        options = _options(state)
        _run(["apt-get", *options, "update"], state)
        _run(["apt-get", *options, "download", package], state / "download")
        target.mkdir(parents=True, exist_ok=True)
        for archive in (state / "download").glob("*.deb"):
            _run(["dpkg", "-x", str(archive), str(target)], state)


def _options(state: Path) -> list[str]:
    settings = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        # As root apt would hand the download to a user who may not enter this folder.
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    return [part for key, value in settings.items() if value != "" for part in ("-o", f"{key}={value}")]


def _run(command: list[str], folder: Path) -> None:
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode:
        reason = (answer.stderr.strip() or "no reason given").splitlines()[-1]
        raise BuildError(f"`{command[0]} {command[-2]} {command[-1]}` failed: {reason}")
