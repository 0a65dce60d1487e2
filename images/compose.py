"""Fetch compose v2 where apt has it and the system does not: `python images/compose.py` prints where its program is."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script's path begins at its own folder

from images import debian, packages
from images.recipe import ROOT, BuildError

STANDALONE = ROOT / ".slipway" / "bin" / "docker-compose"
PACKAGED = "usr/libexec/docker/cli-plugins/docker-compose"


def main() -> int:
    """Exit 0 with the program's path, else one line."""
    try:
        if not STANDALONE.is_file():
            _fetch()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{STANDALONE}\n")
    return 0


def _fetch() -> None:
    if not packages.can_fetch():
        raise BuildError("apt can't fetch the package docker-compose here")
    unpacked = STANDALONE.parent / "docker-compose.unpacked"
    packages.fetch("docker-compose", debian.SUITE, unpacked)
    (unpacked / PACKAGED).replace(STANDALONE)
    shutil.rmtree(unpacked)


if __name__ == "__main__":
    sys.exit(main())
