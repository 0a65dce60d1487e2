"""What a stack rests on, looked at without any of its services."""

import time
from dataclasses import dataclass
from datetime import datetime

import docker

from slipway import engine, image_refs
from slipway.errors import ImageMissingError
from slipway.stack import compose_program, containers, env_file, host, pinned, secret_values, stack
from slipway.stack.stack import Stack

SKEW_SECONDS = 5
MEMORY = 4 * host.GIB


@dataclass(frozen=True)
class Finding:
    """`word` is ok, warn or fail; the text of the latter two says what to do."""

    word: str
    text: str


def secrets() -> Finding:
    path = stack.ENV_FILE
    given = env_file.read(path)
    secret_values.check(given, path)
    missing = [name for name in secret_values.LENGTHS if name not in given]
    if missing:
        return Finding("warn", f"{path} lacks {len(missing)} secrets ({missing[0]} …): `make up` makes them")
    if not env_file.is_private(path):
        return Finding("fail", f"{path} is readable by others: `chmod 600 {path}`")
    return Finding("ok", f"{path} is complete and its owner's alone")


def engine_answers(client: docker.APIClient) -> Finding:
    return Finding("ok", f"{client.version()['Version']} at {host.socket()}")


def compose_found() -> Finding:
    words = compose_program.words(fetch=False)
    return Finding("ok", f"{compose_program.version(words)} (`{' '.join(words)}`)")


def ports_free(client: docker.APIClient, deployed: Stack) -> Finding:
    host.check_ports(client, deployed)
    return Finding("ok", f"{deployed.airflow_port} and {deployed.settings.mlflow_port} are free, or this stack's own")


def room(client: docker.APIClient) -> Finding:
    free = host.free_bytes(client)
    if free is None:
        return Finding("warn", "the place where the engine stores can't be seen from here: look at `docker system df`")
    if warning := host.check_room(client):
        return Finding("warn", warning.removeprefix("warning: "))
    return Finding("ok", f"{free / host.GIB:.0f} GiB free where the engine stores")


def memory(client: docker.APIClient) -> Finding:
    total = int(client.info()["MemTotal"])
    said = f"the engine has {total / host.GIB:.1f} GiB"
    return Finding("ok", said) if total >= MEMORY else Finding("warn", f"{said}: services and one job need 4")


def clock(client: docker.APIClient) -> Finding:
    """Signed requests to a store and tokens of Airflow are refused when clocks differ by minutes."""
    before = time.time()
    told = datetime.fromisoformat(client.info()["SystemTime"][:26].rstrip("Z") + "+00:00").timestamp()
    skew = told - (before + time.time()) / 2
    if abs(skew) > SKEW_SECONDS:
        return Finding(
            "fail", f"the engine's clock is {skew:+.0f} s from this machine's: let both follow a time server"
        )
    return Finding("ok", f"the engine's is {skew:+.1f} s from this machine's")


def images(client: docker.APIClient, deployed: Stack) -> Finding:
    """What tasks and services run in is what images.lock names."""
    folder = deployed.settings.images
    names = [name for name in image_refs.read_lock(folder) if name != "base"]
    try:
        found = [image_refs.resolve(name, folder) for name in names]
        for image in found:
            held = engine.inspect_image(client, image.reference, f"{image.name} {image.version}")
            image_refs.check_built(image, held["Config"]["Labels"] or {})
    except ImageMissingError as error:
        up = bool(containers.services(client, deployed))
        return Finding("fail" if up else "warn", f"{error} (`make up` does it too)")
    how = "pulled by digest" if pinned.released(folder) else "built here"
    return Finding("ok", f"{len(names)} images are those of images.lock, {how}")
