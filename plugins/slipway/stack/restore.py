"""`slipway restore`: a backup into a stack that holds nothing yet, proven by counting what is there afterwards."""

from pathlib import Path

import docker

from slipway.embedded import engine_project
from slipway.errors import BackupError, SlipwayError
from slipway.progress import say
from slipway.stack import (
    backup,
    compose_program,
    containers,
    database,
    env_file,
    host,
    manifest,
    objects,
    secret_values,
    stack,
    starting,
    stopping,
)
from slipway.stack.compose import Compose
from slipway.stack.manifest import Manifest
from slipway.stack.stack import Stack


@engine_project.faults_told()
def restore(folder: Path) -> None:
    """Fill an empty stack and start it.

    Raises BackupError for a backup, a stack or a bucket that can't be used; one that breaks off leaves an empty stack.
    """
    made = manifest.read(folder)
    manifest.check(made, folder)
    with host.connect() as client:
        refuse_data(client, stack.read())
        take_secrets(folder, stack.read())
        program = compose_program.words()
        deployed = starting.ready(client)
        composed = Compose(program, deployed, starting.parts(client, deployed.settings))
        fill_or_empty(client, composed, folder, made)
        starting.start(client, composed)
    say(f"restored {backup.told(made)}\n{starting.report(deployed)}")


def refuse_data(client: docker.APIClient, deployed: Stack) -> None:
    if held := containers.volumes(client, deployed):
        raise BackupError(
            f"{deployed.name} holds data ({', '.join(held)}), which a restore would overwrite: `make down VOLUMES=1`"
            " removes it, or set another SLIPWAY_PROJECT in .env"
        )


def take_secrets(folder: Path, deployed: Stack) -> None:
    """Add the backup's secrets to a `.env` that lacks them; where it has keys of a bucket, that bucket is filled.

    Raises BackupError when it has another key than the one that opens the backup's connections and variables.
    """
    saved = env_file.read(folder / backup.PRIVATE)
    held, kept = deployed.given.get(secret_values.FERNET), saved.get(secret_values.FERNET)
    if held and kept and held.value != kept.value:
        raise BackupError(
            f"{stack.ENV_FILE}:{held.number}: {secret_values.FERNET} is not the backup's: rename .env,"
            f" and a restore takes the secrets from {folder / backup.PRIVATE}"
        )
    own_bucket = any(name in deployed.given for name in secret_values.BUCKET_KEYS)
    names = [name for name in saved if name not in deployed.given and not (own_bucket and name.startswith("S3_"))]
    if names:
        env_file.complete(stack.ENV_FILE, {name: saved[name].value for name in names})


def fill_or_empty(client: docker.APIClient, composed: Compose, folder: Path, made: Manifest) -> None:
    """All of the backup, or a stack that is as empty as before."""
    try:
        starting.start(client, composed, "postgres", "store-init")
        refuse_objects(composed)
        fill(composed, folder, made)
    except BaseException:
        empty(composed.stack)
        raise


def refuse_objects(composed: Compose) -> None:
    """A bucket of somebody else's outlives the stack, so it may hold what an earlier one left."""
    if held := objects.listed(composed):
        raise BackupError(
            f"the bucket {composed.stack.value('S3_BUCKET')} is not empty (it has {next(iter(held))}):"
            " empty the bucket, or name another S3_BUCKET"
        )


def empty(deployed: Stack) -> None:
    """Remove what a restore began; why it broke off is for the caller to tell."""
    try:
        stopping.down(deployed, volumes=True)
    except SlipwayError as error:
        say(f"what was restored by then could not be removed ({error}): `make down VOLUMES=1` before the next restore")
        return
    bucket = deployed.value("S3_BUCKET")
    kept = "" if deployed.own_store else f" but for the bucket {bucket}: see that it is empty before the next restore"
    say(f"what was restored by then is removed{kept}; the backup is as it was")


def fill(composed: Compose, folder: Path, made: Manifest) -> None:
    for name in database.NAMES:
        say(f"filling the database {name}")
        database.restore(composed, name, folder / f"{name}.dump")
        prove(f"database {name}", made.counts[name], database.rows(composed, name))
    say("filling the bucket")
    with (folder / backup.BUCKET).open("rb") as archive:
        objects.load(composed, archive)
    prove("bucket", made.counts["bucket"], {"objects": len(objects.listed(composed))})


def prove(title: str, expected: dict[str, int], found: dict[str, int]) -> None:
    """Raises BackupError where not all of it arrived."""
    for name, count in expected.items():
        if found.get(name) != count:
            raise BackupError(
                f"the {title} holds {found.get(name, 0)} {name}, and the backup {count}: restore it again"
            )
