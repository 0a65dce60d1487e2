"""What goes into an image: its Dockerfile, its lock, the files that are copied, its version and its parent."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
COPIED = re.compile(r"^COPY\s+(?!--from)(?P<paths>.+)$", re.MULTILINE)


class BuildError(Exception):
    """An image can't be built; the message says what to do and `exit_code` what kind of fault it is."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Recipe:
    """One line of images.lock and the folder that belongs to it."""

    name: str
    version: str
    lock: str
    root: Path

    @property
    def title(self) -> str:
        return f"slipway-{self.name}"

    @property
    def reference(self) -> str:
        return f"{self.title}:{self.version}"

    @property
    def dockerfile(self) -> Path:
        return self.root / "images" / self.name / "Dockerfile"

    @property
    def requirements(self) -> Path:
        return self.dockerfile.with_name("requirements.txt")


def read_lock(root: Path = ROOT) -> dict[str, Recipe]:
    """The images of images.lock in its order; raises BuildError where a lock is not the one that it names."""
    lines = yaml.safe_load((root / "images" / "images.lock").read_text(encoding="utf-8"))
    recipes = {name: Recipe(name, str(line["version"]), line["lock"], root) for name, line in lines.items()}
    for recipe in recipes.values():
        if recipe.lock != file_hash(recipe.requirements):
            raise BuildError(
                f"images/{recipe.name}/requirements.txt is not the one that images/images.lock names: run `make lock`"
            )
    return recipes


def file_hash(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def copied_files(recipe: Recipe) -> list[Path]:
    """The files that the Dockerfile copies from the repository, sorted; bytecode stays outside."""
    found: set[Path] = set()
    for match in COPIED.finditer(recipe.dockerfile.read_text(encoding="utf-8")):
        for pattern in match["paths"].split()[:-1]:
            found.update(_files(recipe, pattern))
    return sorted(found)


def _files(recipe: Recipe, pattern: str) -> set[Path]:
    matches = list(recipe.root.glob(pattern))
    if not matches:
        raise BuildError(f"{recipe.dockerfile}: nothing to copy at {pattern}: is the checkout complete?")
    files = {path for match in matches for path in ([match] if match.is_file() else match.rglob("*"))}
    return {path for path in files if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"}


def inputs_hash(recipe: Recipe, parent_id: str) -> str:
    """SHA-256 over everything that goes in; names count, times and owners don't."""
    digest = hashlib.sha256(f"{recipe.version}\n{parent_id}\n".encode())
    for path in [recipe.dockerfile, recipe.requirements, *copied_files(recipe)]:
        digest.update(f"{path.relative_to(recipe.root).as_posix()} {file_hash(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def stage_context(recipe: Recipe, folder: Path) -> None:
    """Put what the Dockerfile copies, and nothing else, into an empty folder: a build then sends no more than that."""
    for path in [recipe.dockerfile, *copied_files(recipe)]:
        target = folder / path.relative_to(recipe.root)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        shutil.copyfile(path, target)
        target.chmod(0o644)


def revision(recipe: Recipe) -> str:
    """The commit that last touched what goes in, `-dirty` with changes on top, `uncommitted` before the first."""
    paths = [str(path.relative_to(recipe.root)) for path in [recipe.dockerfile, *copied_files(recipe)]]
    commit = _git(recipe.root, "log", "-1", "--format=%h", "--", *paths)
    if not commit:
        return "uncommitted"
    return f"{commit}-dirty" if _git(recipe.root, "status", "--porcelain", "--", *paths) else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()
