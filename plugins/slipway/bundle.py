"""What an Airflow of somebody else's mounts, as a folder and a zip of it: `slipway bundle`."""

import json
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

from slipway import contracts, image_refs, settings
from slipway.errors import BundleError, ImageMissingError
from slipway.progress import say

# What starts services or serves the command; no task and no DAG file imports it.
LEFT_OUT = (
    *("embedded", "stack", "cli.py", "bundle.py", "release.py", "ports.py", "progress.py"),
    *("explain.py", "explanation.py", "looking.py", "inside_airflow.py", "reap_word.py"),
    *("replay.py", "replaying.py", "past_run.py", "then_and_now.py"),
    *("ruff.toml", "__pycache__", ".*_cache", "*.pyc"),
)
FILES = {"LICENSE": "LICENSE", "docs/existing-airflow.md": "README.md"}
# A zip of the same files is then the same bytes, whenever it is written.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def run(folder: Path, local: bool, deployed: settings.Settings) -> None:
    """Write `slipway-<version>` and its zip into the folder.

    Raises BundleError where the folder holds something else of that name, ImageMissingError for an image that no
    other engine could have.
    """
    target = folder / f"slipway-{version('slipway')}"
    if target.exists() and not package(target).is_dir():
        raise BundleError(f"{target} is there and is no bundle: give another folder, or remove it")
    images = {contract.image for contract in contracts.load_all(deployed.jobs).values()}
    references = local_builds(images, deployed.images) if local else released(images, deployed.images)
    unfinished = target.with_name(f"{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    fill(unfinished, deployed)
    if local:
        (package(unfinished) / "bundled" / "images" / "images.local.json").write_text(json.dumps(references, indent=2))
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    pack(target)
    say(f"wrote {target} and {target.name}.zip" + (", which work on this engine alone" if local else ""))


def package(bundle: Path) -> Path:
    return bundle / "plugins" / "slipway"


def released(images: set[str], folder: Path) -> dict[str, str]:
    """The digest of each image, by name."""
    digests = {name: image_refs.line_of(name, folder).get("digest") for name in sorted(images)}
    if missing := [name for name, digest in digests.items() if not digest]:
        raise ImageMissingError(
            f"images.lock has no digest of {', '.join(missing)}: `make release REGISTRY=…` first, or `slipway bundle"
            " --local` for an Airflow that uses this machine's engine"
        )
    return {name: str(digest) for name, digest in digests.items()}


def local_builds(images: set[str], folder: Path) -> dict[str, str]:
    """The ID of each image on this engine, by name."""
    here = image_refs.built_here(folder)
    if missing := sorted(images - set(here)):
        raise ImageMissingError(f"image {', '.join(missing)} was not built here: run `make images`")
    return {name: here[name] for name in sorted(images)}


def fill(bundle: Path, deployed: settings.Settings) -> None:
    """DAG files with their pipelines, the package with contracts and image references, licence and page."""
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    for name in ("dags", "plugins"):
        shutil.copytree(settings.ROOT / name, bundle / name, ignore=ignored)
    for source, name in FILES.items():
        shutil.copyfile(settings.ROOT / source, bundle / name)
    carried = package(bundle) / "bundled"
    for contract in sorted(deployed.jobs.glob("*/job.yaml")):
        copied = carried / "jobs" / contract.parent.name / contract.name
        copied.parent.mkdir(parents=True)
        shutil.copyfile(contract, copied)
    (carried / "images").mkdir()
    shutil.copyfile(deployed.images / "images.lock", carried / "images" / "images.lock")


def pack(bundle: Path) -> None:
    """The zip beside the folder, with the folder's name as its top."""
    unfinished = bundle.with_name(f"{bundle.name}.zip.new")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(bundle.parent).as_posix(), NO_TIME)
            member.external_attr, member.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, path.read_bytes())
    unfinished.replace(bundle.with_name(f"{bundle.name}.zip"))
