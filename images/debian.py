"""The system under all images: the official Python image, or where no registry answers Debian's own packages."""

import hashlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import which

from images import dotenv, engine, packages
from images.recipe import ROOT, BuildError

SUITE = "trixie"
PACKAGES = "ca-certificates,python3,python3-venv"
PULL_SECONDS = 20
# debootstrap copies the host's resolver and mirror, which are nobody else's business.
LEFT_OUT = [
    *["./dev/*", "./etc/apt/sources.list", "./etc/hostname", "./etc/resolv.conf", "./var/cache/*", "./var/log/*"],
    *["./usr/share/info/*", "./usr/share/locale/*", "./usr/share/man/*", "./var/lib/apt/lists/*"],
]
ENV = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Say = Callable[[str], None]


def official() -> str:
    """The reference that stands in base's Dockerfile."""
    text = (ROOT / "images" / "base" / "Dockerfile").read_text(encoding="utf-8")
    match = re.search(r"^ARG BASE_IMAGE=(\S+)$", text, re.MULTILINE)
    if match is None:
        raise BuildError("images/base/Dockerfile has no line `ARG BASE_IMAGE=…`: put it back")
    return match[1]


def own_reference() -> str:
    """The name of the Debian image; it changes with its recipe."""
    recipe = " ".join([SUITE, PACKAGES, *LEFT_OUT, ENV])
    return f"slipway-debian:{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def base_image(say: Say, offline: bool, again: bool) -> str:
    """The reference to build on, held by the engine afterwards.

    What is here already is kept, so that a second build asks no registry; `again` asks it.
    """
    chosen = dotenv.setting("SLIPWAY_BASE_IMAGE")
    if chosen:
        if engine.inspect(chosen) or (not offline and engine.pull(chosen, 600)):
            return chosen
        raise BuildError(f"SLIPWAY_BASE_IMAGE={chosen} is not on this engine and no registry gives it: load it first")
    here = [reference for reference in (official(), own_reference()) if engine.inspect(reference)]
    if here and (offline or not again):
        return here[0]
    if offline:
        raise BuildError("no base image on this engine: run once without --offline, or set SLIPWAY_BASE_IMAGE")
    return _new(say, here)


def _new(say: Say, here: list[str]) -> str:
    say(f"asking a registry for {official().partition('@')[0]}")
    if engine.pull(official(), PULL_SECONDS):
        return official()
    if here:
        return here[0]
    say("no registry answers: making the base from Debian packages (about a minute)")
    _debootstrap()
    return own_reference()


def _debootstrap() -> None:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if root and (which("sudo") is None or subprocess.run([*root, "true"], capture_output=True, check=False).returncode):
        raise BuildError(
            "no registry answers, and making a base from Debian packages needs root: "
            "load an image and name it in SLIPWAY_BASE_IMAGE, or run this once as root"
        )
    with tempfile.TemporaryDirectory(prefix="slipway-debootstrap-") as folder:
        system = Path(folder) / "system"
        try:
            _shell([*root, *_unpack(Path(folder), system)])
            _shell(["bash", "-o", "pipefail", "-ec", _import(shlex.join(root), system)])
        finally:
            subprocess.run([*root, "rm", "-rf", str(system)], check=False)


def _unpack(folder: Path, system: Path) -> list[str]:
    program = which("debootstrap", path=os.environ.get("PATH", "") + ":/usr/sbin")
    home: list[str] = []
    if program is None:
        if not packages.can_fetch() or which("wget") is None:
            raise BuildError("debootstrap is missing: apt-get install debootstrap, or set SLIPWAY_BASE_IMAGE")
        # Debian's package is plain shell, so it runs where it was unpacked and the machine stays as it was.
        packages.fetch("debootstrap", SUITE, folder / "debootstrap")
        program = str(folder / "debootstrap/usr/sbin/debootstrap")
        home = [f"DEBOOTSTRAP_DIR={folder}/debootstrap/usr/share/debootstrap"]
    keyring = [f"--keyring={packages.KEYRING}"] if packages.KEYRING.is_file() else []
    mirror = [uri] if (uri := packages.mirror()) else []
    return ["env", *home, program, "--variant=minbase", *keyring, f"--include={PACKAGES}", SUITE, str(system), *mirror]


def _import(root: str, system: Path) -> str:
    """Sorted, without times, owners by number; of the documentation only the licences stay.

    Only reading needs root: the engine is the one that this user's docker command reaches.
    """
    docs = f"{root} find {system}/usr/share/doc -type f ! -name copyright -delete"
    left_out = " ".join(f"--exclude={shlex.quote(pattern)}" for pattern in LEFT_OUT)
    tar = f"{root} tar --create --directory {system} --sort=name --mtime=@0 --numeric-owner {left_out} ."
    return f"{docs} && {tar} | docker import --change {shlex.quote(ENV)} - {own_reference()}"


def _shell(command: list[str]) -> None:
    log = ROOT / ".slipway" / "logs" / "build-debian.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise BuildError(f"{last}\nmaking the base from Debian packages failed: {log} has all of it")
