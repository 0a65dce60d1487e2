"""`slipway backup`: both databases, the bucket and the secrets in one folder that a restore begins from."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import docker

from slipway import settings
from slipway.embedded import engine_project
from slipway.errors import BackupError
from slipway.progress import say
from slipway.stack import compose, containers, database, host, manifest, objects, secret_values, starting, stopping
from slipway.stack.compose import Compose
from slipway.stack.manifest import Manifest
from slipway.stack.stack import Stack

PRIVATE = "secrets.env"
BUCKET = "bucket.tar"
# What a restore elsewhere needs beside secrets: where the bucket is.
KEPT = (*secret_values.LENGTHS, "S3_ENDPOINT_URL", "S3_BUCKET", "S3_REGION")


@engine_project.faults_told()
def backup(deployed: Stack, folder: Path | None) -> Path:
    """Save the stack's data, running or not; the folder appears when all of it is there.

    Raises BackupError, or StackError with what a part said.
    """
    target = (folder or settings.ROOT / "backups" / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")).absolute()
    check_place(target)
    with host.connect() as client:
        if not containers.volumes(client, deployed):
            raise BackupError(f"{deployed.name} holds no data: there is nothing to back up before the first `make up`")
        composed = compose.of(deployed, starting.known(deployed.settings))
        with data_services(client, composed):
            save(composed, target)
    return target


def check_place(target: Path) -> None:
    """Raises BackupError for a place that is taken, or where this user can't write."""
    try:
        taken = target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"{target} can't be made ({error.strerror}): name a folder that can") from error
    if taken:
        raise BackupError(f"{target} is there already: name a folder that is not")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BackupError(f"{target.parent} may not be written: name a folder elsewhere")


@contextmanager
def data_services(client: docker.APIClient, composed: Compose) -> Iterator[None]:
    """PostgreSQL and the store run; those that did not before are stopped afterwards."""
    needed = composed.stack.data_services
    absent = [name for name in needed if not containers.running(client, composed.stack, name)]
    if absent:
        starting.start(client, composed, *needed)
    try:
        yield
    finally:
        for service in containers.services(client, composed.stack) if absent else []:
            if service.name in absent:
                stopping.stop_one(service)


def save(composed: Compose, target: Path) -> None:
    """Databases first: what they name is in the bucket by then, and the bucket only gains."""
    unfinished = target.with_name(f"{target.name}.partial")
    try:
        unfinished.mkdir(mode=0o700)
        fill(composed, unfinished)
        unfinished.replace(target)
    except FileExistsError:
        raise BackupError(
            f"{unfinished} is in the way: another backup writes it, or one was cut off: remove it"
        ) from None
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BackupError(f"{unfinished} can't be written ({error.strerror}): nothing is left of it") from error
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def fill(composed: Compose, folder: Path) -> None:
    deployed = composed.stack
    made = manifest.begin(
        deployed.settings, {name: deployed.value(name) for name in KEPT if name not in secret_values.LENGTHS}
    )
    for name in database.NAMES:
        part = folder / f"{name}.dump"
        manifest.save(made, part, partial(database.dump, composed, name))
        made.counts[name] = database.rows_dumped(composed, name, part)
    manifest.save(made, folder / BUCKET, partial(objects.dump, composed))
    made.counts["bucket"] = {"objects": members(folder / BUCKET)}
    save_secrets(made, deployed, folder)
    manifest.write(made, folder)
    say(f"holds {told(made)}")


def save_secrets(made: Manifest, deployed: Stack, folder: Path) -> None:
    lines = "".join(f"{name}={deployed.value(name)}\n" for name in KEPT if deployed.value(name))
    (folder / PRIVATE).touch(mode=0o600)
    manifest.save(made, folder / PRIVATE, lambda take: take(io.BytesIO(lines.encode())))


def members(archive: Path) -> int:
    """How many objects an archive of the bucket holds."""
    with tarfile.open(archive) as opened:
        return sum(1 for member in opened if member.isfile())


def told(made: Manifest) -> str:
    counts = [f"{count} {name.replace('_', ' ')}" for held in made.counts.values() for name, count in held.items()]
    return ", ".join(counts)
