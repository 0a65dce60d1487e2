"""The builder: Docker's plugin where it is installed, else the same program standing alone in .slipway/bin."""

import os
import shlex
import shutil
import subprocess
import threading
from pathlib import Path

from images import dotenv, engine, packages
from images.recipe import ROOT, BuildError

STANDALONE = ROOT / ".slipway" / "bin" / "docker-buildx"
_FETCHING = threading.Lock()
PACKAGED = "usr/libexec/docker/cli-plugins/docker-buildx"


def command(offline: bool) -> list[str]:
    """The words that `build …` follows; raises BuildError when there is no builder and none can be fetched."""
    if engine.docker("buildx", "version").returncode == 0:
        return ["docker", "buildx"]
    # Images are built at once, and the first of them fetches for all.
    with _FETCHING:
        if not STANDALONE.is_file():
            if offline or not packages.can_fetch():
                raise BuildError(
                    "docker buildx is missing and can't be fetched here: install the package docker-buildx "
                    f"(or docker-buildx-plugin), or put its program at {STANDALONE.relative_to(ROOT)}"
                )
            _fetch()
    return [str(STANDALONE)]


def _fetch() -> None:
    unpacked = STANDALONE.parent / "docker-buildx.unpacked"
    packages.fetch("docker-buildx", "sid", unpacked)
    (unpacked / PACKAGED).replace(STANDALONE)
    shutil.rmtree(unpacked)


def environment() -> dict[str, str]:
    """Attestations would change what an image's ID is; a builder chosen elsewhere would not see local images."""
    return os.environ | {
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "BUILDX_CONFIG": str(ROOT / ".slipway" / "buildx"),
    }


def start(arguments: list[str], context: Path, offline: bool) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*command(offline), "build", "--load", "--progress", "plain", *arguments, str(context)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def secrets(folder: Path, offline: bool) -> list[str]:
    """Build secrets: the authority's certificates, and where packages come from; the builder keeps neither."""
    authority = next((Path(path) for path in _authorities() if path), None)
    if authority and not authority.is_file():
        raise BuildError(f"no certificates at {authority}: SLIPWAY_CA_FILE names a PEM file")
    settings = folder / "settings"
    settings.touch(mode=0o600)
    settings.write_text(
        "".join(f"{name}={shlex.quote(value)}\n" for name, value in _settings(offline).items()), encoding="utf-8"
    )
    ca = ["--secret", f"id=ca,src={authority}"] if authority else []
    return [*ca, "--secret", f"id=settings,src={settings}", *_proxies()]


def _authorities() -> list[str]:
    return [dotenv.setting(name) for name in ("SLIPWAY_CA_FILE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]


def _settings(offline: bool) -> dict[str, str]:
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    found = {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index} if index else {}
    mirrors = {"DEBIAN_MIRROR": packages.mirror(), "DEBIAN_SECURITY_MIRROR": packages.mirror(security=True)}
    found |= {name: uri for name, uri in mirrors.items() if uri}
    return found | ({"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"} if offline else {})


def _proxies() -> list[str]:
    names = [name for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") if os.environ.get(name)]
    return [part for name in names for part in ("--build-arg", name)]
