"""Build the images that changed: `python images/build.py [IMAGE …] [--force] [--offline]`."""

import argparse
import fcntl
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script's path begins at its own folder

from images import buildx, debian, engine, rustfs
from images.recipe import ROOT, BuildError, Recipe, inputs_hash, read_lock, revision, stage_context

STARTED = time.monotonic()
UNNAMED_COMMIT = ("uncommitted", "-dirty")


@dataclass(frozen=True)
class Built:
    """An image as it is on the engine; `seconds` is None when it was up to date."""

    recipe: Recipe
    image_id: str
    size_bytes: int
    seconds: float | None


@dataclass(frozen=True)
class Order:
    """What to build, from what; `arguments` are the build arguments that name the parents."""

    recipe: Recipe
    arguments: dict[str, str]
    parent_id: str
    targets: dict[str, str]


def main() -> int:
    """Exit 0 with a table, else one message: 69 when the engine is away, 1 when a build failed."""
    options = _options()
    try:
        engine.require_engine()
        recipes = read_lock()
        names = _wanted(options.image, recipes)
        with _alone():
            _report(build_all([recipes[name] for name in names], recipes["base"], options))
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """One build of a checkout at a time: two would both make the base, and each image would get two IDs."""
    path = ROOT / ".slipway" / "build.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build of this checkout runs: waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", nargs="*", help="images of images.lock; default: all")
    parser.add_argument("--force", action="store_true", help="build also what is up to date")
    parser.add_argument("--offline", action="store_true", help="ask no registry, mirror or index")
    return parser.parse_args()


def _wanted(names: list[str], recipes: dict[str, Recipe]) -> list[str]:
    unknown = sorted(set(names) - set(recipes))
    if unknown:
        raise BuildError(f"no image {', '.join(unknown)} in images/images.lock: it has {', '.join(recipes)}", 64)
    return [name for name in names or recipes if name != "base"]


def build_all(recipes: list[Recipe], foundation: Recipe, options: argparse.Namespace) -> list[Built]:
    """The foundation first, then the others at once: they share nothing but the cache of wheels, which uv locks."""
    ground = _built_foundation(foundation, options)
    parents = {"BASE": foundation.reference, "BUILDER": f"{foundation.reference}-builder"}
    orders = [_order(recipe, parents, options) for recipe in recipes]
    with ThreadPoolExecutor(max_workers=max(1, len(orders))) as pool:
        return [ground, *pool.map(lambda order: build(order, options), orders)]


def _order(recipe: Recipe, parents: dict[str, str], options: argparse.Namespace) -> Order:
    if recipe.name == "store":
        # A store of somebody else's still needs the image's scripts; the base has no RustFS to copy.
        parents = parents | {"RUSTFS": rustfs.image(_say, options.offline) or parents["BASE"]}
    held = [engine.inspect(reference) for reference in parents.values()]
    return Order(recipe, parents, " ".join(image["Id"] for image in held if image), {"": recipe.reference})


def _built_foundation(foundation: Recipe, options: argparse.Namespace) -> Built:
    system = debian.base_image(_say, options.offline, options.force)
    held = engine.inspect(system)
    targets = {"builder": f"{foundation.reference}-builder", "runtime": foundation.reference}
    return build(Order(foundation, {"BASE_IMAGE": system}, held["Id"] if held else "", targets), options)


def build(order: Order, options: argparse.Namespace) -> Built:
    """The image as ordered; the one that is here stays when nothing that goes in has changed."""
    inputs, commit = inputs_hash(order.recipe, order.parent_id), revision(order.recipe)
    if not options.force and _up_to_date(order, inputs, commit):
        return _record(order.recipe, None)
    began = time.monotonic()
    _say(f"{order.recipe.name}: building")
    stamps = {"VERSION": order.recipe.version, "REVISION": commit, "LOCK": order.recipe.lock, "INPUTS": inputs}
    for target, reference in order.targets.items():
        _run_builder(order, target, reference, order.arguments | stamps, options)
    seconds = time.monotonic() - began
    _say(f"{order.recipe.name}: done in {seconds:.1f} s")
    return _record(order.recipe, seconds)


def _up_to_date(order: Order, inputs: str, commit: str) -> bool:
    """An image built before its commit existed is built again once it does: from the cache, for the right name."""
    images = [engine.inspect(reference) for reference in order.targets.values()]
    if not all(images) or not images[-1]:
        return False
    labels = engine.labels(images[-1])
    late = labels.get("org.opencontainers.image.revision", "").endswith(UNNAMED_COMMIT)
    named_now = not commit.endswith(UNNAMED_COMMIT) and order.recipe.name != "base"
    return labels.get("slipway.inputs") == inputs and not (late and named_now)


def _run_builder(
    order: Order, target: str, reference: str, arguments: dict[str, str], options: argparse.Namespace
) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-build-") as folder:
        context = Path(folder) / "context"
        stage_context(order.recipe, context)
        words = ["--tag", reference, "--file", str(context / "images" / order.recipe.name / "Dockerfile")]
        words += [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        words += ["--target", target] if target else []
        words += buildx.secrets(Path(folder), options.offline)
        _follow(order.recipe.name, words, context, options.offline)


def _follow(name: str, words: list[str], context: Path, offline: bool) -> None:
    """Keep the builder's words in a log; people at a terminal see them pass, others the last lines of a failure."""
    log = ROOT / ".slipway" / "logs" / f"build-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    last: deque[str] = deque(maxlen=30)
    loud = sys.stdout.isatty() or os.environ.get("VERBOSE") == "1"
    with log.open("w", encoding="utf-8") as out, buildx.start(words, context, offline) as builder:
        for line in builder.stdout or ():
            out.write(line)
            last.append(line)
            if loud:
                sys.stdout.write(f"{name} | {line}")
    if builder.returncode:
        raise BuildError(f"{''.join(last)}image {name} was not built: {log} has all of it")


def _record(recipe: Recipe, seconds: float | None) -> Built:
    image = engine.inspect(recipe.reference)
    if image is None:
        raise BuildError(f"{recipe.reference} is not on the engine after its build: was it removed meanwhile?")
    return Built(recipe, image["Id"], image["Size"], seconds)


def _say(text: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - STARTED:6.1f} s] {text}\n")
    sys.stdout.flush()


def _report(images: list[Built]) -> None:
    """Note the IDs where DAGs look for them, beside those of images that this call left alone."""
    path = ROOT / "images" / "images.local.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known |= {image.recipe.name: image.image_id for image in images}
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)
    sys.stdout.write(f"{'image':<10}{'version':<9}{'ID':<14}{'size':>8}  seconds\n")
    for image in images:
        seconds = "up to date" if image.seconds is None else f"{image.seconds:.1f}"
        size = f"{image.size_bytes / 1e6:.0f} MB"
        short = image.image_id.removeprefix("sha256:")[:12]
        sys.stdout.write(f"{image.recipe.name:<10}{image.recipe.version:<9}{short:<14}{size:>8}  {seconds}\n")


if __name__ == "__main__":
    sys.exit(main())
