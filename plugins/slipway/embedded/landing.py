"""Bring files into landing, where `source.files` of a pipeline finds them: streamed, and visible as a whole or not."""

import json
import os
import stat
import tarfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import docker
from docker.errors import APIError

from slipway import engine, image_refs, settings
from slipway.embedded import airflow_home, engine_project, landing_move
from slipway.errors import LandingError
from slipway.hardening import JOB_USER, hardened
from slipway.progress import Line
from slipway.settings import Settings

CHUNK_BYTES = 1024 * 1024
END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Arrival:
    """One file to bring in; `bytes` is its size as it was when the command began."""

    source: Path
    name: str
    bytes: int


def check_embedded() -> None:
    """Raises LandingError where jobs read another lake than the embedded one."""
    try:
        told = json.loads(os.environ.get(airflow_home.VARIABLE) or "{}")
    except ValueError:
        # The operator refuses such a Variable with words of its own.
        return
    lake = str(told.get("LAKE_URI", "")) if isinstance(told, dict) else ""
    if lake.startswith("s3://"):
        raise LandingError(
            f"jobs here read the lake at {lake}, and this command fills the embedded one:"
            f" copy the file to {lake.rstrip('/')}/landing/ with your S3 tool"
        )


def arrivals(files: list[str], name: str | None) -> list[Arrival]:
    """What is to be brought in, under each file's own name or the one given.

    Raises LandingError for a file that is not there or a name that can't be used; nothing has been copied by then.
    """
    if name and len(files) > 1:
        raise LandingError(f"--as {name} names one file, but {len(files)} were given: land them one by one")
    found = [Arrival(Path(file), checked(name or Path(file).name), size(Path(file))) for file in files]
    twice = [name for name, times in Counter(arrival.name for arrival in found).items() if times > 1]
    if twice:
        raise LandingError(f"two of the files are called {twice[0]}: land one of them `--as` another name")
    return found


def size(file: Path) -> int:
    """Bytes of a readable regular file."""
    try:
        with file.open("rb"):
            known = file.stat()
    except FileNotFoundError:
        raise LandingError(f"no file {file} here ({Path.cwd()}): check the path") from None
    except IsADirectoryError:
        raise LandingError(f"{file} is a folder: name the files in it, as in {file}/*.csv") from None
    except OSError as error:
        raise LandingError(f"{file} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(known.st_mode):
        raise LandingError(f"{file} is not a regular file: write it to one first")
    return known.st_size


def checked(name: str) -> str:
    """A name as it is to be in landing, or LandingError."""
    if not name or name.startswith(".") or set(name) & set("/\\\0\n"):
        raise LandingError(f"{name!r} can't be a name in landing: it may not begin with a dot or hold a separator")
    return name


def inside(folder: str | None) -> PurePosixPath:
    """The folder below landing, or landing itself."""
    return PurePosixPath(*map(checked, folder.rstrip("/").split("/"))) if folder else PurePosixPath()


def land(files: list[Arrival], folder: PurePosixPath, runtime: str, deployed: Settings) -> dict[str, bool]:
    """Bring files into a folder of landing; each name, and whether a file of that name was replaced.

    Raises LandingError when a file could not be brought in; then none of them is visible.
    """
    return (land_in_volume if runtime == "docker" else land_in_folder)(files, folder, deployed)


def land_in_folder(files: list[Arrival], folder: PurePosixPath, deployed: Settings) -> dict[str, bool]:
    landing = deployed.state / "lake" / "landing"
    incoming = landing / ".incoming" / uuid.uuid4().hex
    incoming.mkdir(parents=True)
    try:
        for file in files:
            with (incoming / file.name).open("wb") as arriving:
                arriving.writelines(chunks(file))
        (incoming / landing_move.COMPLETE).touch()
    finally:
        moved = landing_move.move(incoming, landing / folder)
    return moved


@engine_project.faults_told()
def land_in_volume(files: list[Arrival], folder: PurePosixPath, deployed: Settings) -> dict[str, bool]:
    landing = PurePosixPath(settings.LAKE_IN_CONTAINER, "landing")
    incoming = PurePosixPath("landing", ".incoming", uuid.uuid4().hex)
    with (
        engine.connect(timeout_seconds=600) as client,
        mover(client, str(landing.parent / incoming), str(landing / folder), deployed) as container,
    ):
        try:
            client.put_archive(container, settings.LAKE_IN_CONTAINER, tar(files, incoming))
        except APIError as error:
            raise LandingError(f"the engine refused the files: {error.explanation or error}") from error
        finally:
            # Also after a fault: the mover removes what has not arrived as a whole.
            client.start(container)
            exit_code = client.wait(container)["StatusCode"]
        said = client.logs(container).decode(errors="replace").strip()
    if exit_code:
        raise LandingError(f"the files could not be moved into {landing / folder}: {said.splitlines()[-1]}")
    moved: dict[str, bool] = json.loads(said)
    return moved


@contextmanager
def mover(client: docker.APIClient, incoming: str, folder: str, deployed: Settings) -> Iterator[str]:
    """A container that can do nothing but move files inside the lake's volume."""
    image = image_refs.resolve("data", deployed.images)
    engine_project.prepare(client, deployed)
    container = client.create_container(
        image=engine.inspect_image(client, image.reference, f"{image.name} {image.version}")["Id"],
        command=["python", "-c", Path(landing_move.__file__).read_text(encoding="utf-8"), incoming, folder],
        user=f"{JOB_USER}:{JOB_USER}",
        labels=engine_project.labels(deployed, landing="true"),
        host_config=client.create_host_config(
            mounts=[docker.types.Mount(settings.LAKE_IN_CONTAINER, deployed.lake_volume, type="volume")],
            network_mode="none",
            **hardened(256 * 2**20, tmp_bytes=16 * 2**20),
        ),
    )["Id"]
    try:
        yield container
    finally:
        client.remove_container(container, v=True, force=True)


def tar(files: list[Arrival], incoming: PurePosixPath) -> Iterator[bytes]:
    """The stream of a tar that the engine unpacks in the lake; its last member says that all came before it."""
    for folder in (*reversed(incoming.parents[:-1]), incoming):
        yield header(folder, tarfile.DIRTYPE, 0, 0o755)
    for file in files:
        yield header(incoming / file.name, tarfile.REGTYPE, file.bytes, 0o644)
        yield from chunks(file)
        yield bytes(-file.bytes % tarfile.BLOCKSIZE)
    yield header(incoming / landing_move.COMPLETE, tarfile.REGTYPE, 0, 0o644)
    yield END_OF_TAR


def header(path: PurePosixPath, kind: bytes, length: int, mode: int) -> bytes:
    member = tarfile.TarInfo(str(path))
    member.type, member.size, member.mode = kind, length, mode
    member.uid = member.gid = JOB_USER
    # Without a time of its own an arrival would look abandoned, and another one's sweep would take it.
    member.mtime = int(time.time())
    return member.tobuf(tarfile.PAX_FORMAT)


def chunks(file: Arrival) -> Iterator[bytes]:
    """The file's bytes, as many as it had when the command began.

    Raises LandingError when it has become shorter.
    """
    line, left = Line(file.name), file.bytes
    with file.source.open("rb") as opened:
        while left:
            chunk = opened.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise LandingError(f"{file.source} became shorter while it was read: land it again when it is complete")
            left -= len(chunk)
            yield chunk
            if line.seconds > 1:
                line.running(f"{(file.bytes - left) / 1e6:.0f} of {file.bytes / 1e6:.0f} MB,")
    line.broken_off()
