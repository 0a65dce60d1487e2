"""Renew every lock with uv and write the hashes of the images' locks into images.lock: `python images/lock.py`."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script's path begins at its own folder

from images.recipe import ROOT, file_hash

COMPILE = ["--quiet", "--generate-hashes", "--custom-compile-command", "make lock"]
UNIVERSAL = ["pyproject.toml", "--group", "dev", "--universal", "--python-version", "3.11"]


def main() -> int:
    """Compile the universal lock first, since the images' locks are held to its versions."""
    _compile([*UNIVERSAL, "--output-file", "requirements.txt"])
    for source in sorted(ROOT.glob("images/*/requirements.in")):
        output = source.with_suffix(".txt").relative_to(ROOT)
        _compile([str(source.relative_to(ROOT)), "-c", "requirements.txt", "--universal", "--python-version", "3.13",
                  "--output-file", str(output)])  # fmt: skip
    write_hashes(ROOT)
    return 0


def _compile(arguments: list[str]) -> None:
    sys.stdout.write(f"locking {arguments[-1]}\n")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([str(uv), "pip", "compile", *COMPILE, *arguments], cwd=ROOT, check=True)


def write_hashes(root: Path) -> None:
    """Only the hash of a line changes: version and digest are a release's to change."""
    lock = root / "images" / "images.lock"

    def renewed(line: re.Match[str]) -> str:
        return f"{line['before']}{file_hash(root / 'images' / line['name'] / 'requirements.txt')}{line['after']}"

    pattern = re.compile(r'^(?P<before>(?P<name>\w+): \{.*lock: ")[^"]*(?P<after>".*)$', re.MULTILINE)
    lock.write_text(pattern.sub(renewed, lock.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
