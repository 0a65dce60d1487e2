"""A registry of images, seen through the engine: what is asked of it, how far it is, what its refusals mean."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import docker
from docker import auth
from docker.errors import APIError, DockerException

from slipway import engine
from slipway.errors import ImageMissingError, RegistryAwayError, RegistryLoginError, SlipwayError
from slipway.image_refs import ImageRef

Say = Callable[[str], None]
Login = dict[str, str] | None

TOLD_EVERY_SECONDS = 5.0
REFUSED = ("unauthorized", "no basic auth credentials", "authentication required", "denied: ", "access denied", " 401")
GONE = ("manifest unknown", "not found", "name unknown")


def address(reference: str) -> str:
    """The registry of a reference, `docker.io` where it names none."""
    registry: str = auth.resolve_repository_name(reference.split("@")[0])[0]
    return registry


def on_engine(client: docker.APIClient, image: ImageRef, login: Login, say: Say) -> dict[str, Any]:
    """What the engine knows of an image; a released one that it does not hold yet is pulled by its digest.

    Raises ImageMissingError, RegistryLoginError or RegistryAwayError.
    """
    title = f"{image.name} {image.version}"
    try:
        return engine.inspect_image(client, image.reference, title)
    except ImageMissingError:
        # A tag could be another image tomorrow, and an ID is known to one engine alone.
        if "@sha256:" not in image.reference:
            raise
    pull(client, image.reference, login, lambda far: say(f"pulling {title} from {address(image.reference)}: {far}"))
    return engine.inspect_image(client, image.reference, title)


def pull(client: docker.APIClient, reference: str, login: Login, say: Say) -> None:
    """Have the engine fetch an image by its digest."""
    repository, digest = reference.split("@")
    try:
        answers = client.pull(repository, tag=digest, stream=True, decode=True, auth_config=login)
        follow(reference, answers, "Pull complete", say)
    except DockerException as error:
        raise fault(reference, said(error)) from error


def push(client: docker.APIClient, reference: str, say: Say) -> str:
    """Have the engine send an image under its tag, with the login of `docker login`; returns the digest."""
    repository, tag = reference.rsplit(":", 1)
    try:
        answers = client.push(repository, tag=tag, stream=True, decode=True)
        last = follow(reference, answers, "Pushed", say)
    except DockerException as error:
        raise fault(reference, said(error)) from error
    digest: str = last["Digest"]
    return digest


def digest_of(client: docker.APIClient, reference: str) -> str | None:
    """The digest that the registry holds under a tag; None where it holds none."""
    try:
        found: str = client.inspect_distribution(reference)["Descriptor"]["digest"]
    except DockerException as error:
        if isinstance(told := fault(reference, said(error)), ImageMissingError):
            return None
        raise told from error
    return found


def follow(reference: str, answers: Iterable[dict[str, Any]], done: str, say: Say) -> dict[str, Any]:
    """Tell how far it is, at most every few seconds; the closing words of the engine."""
    layers: dict[str, str] = {}
    closing: dict[str, Any] = {}
    told = time.monotonic()
    for answer in answers:
        if "error" in answer:
            raise fault(reference, str(answer["error"]))
        closing |= answer.get("aux") or {}
        # Also the tag has an ID here; layers are those with a state of their own.
        if "id" in answer and "progressDetail" in answer:
            layers[answer["id"]] = answer["status"]
        if time.monotonic() - told > TOLD_EVERY_SECONDS:
            told = time.monotonic()
            ready = sum(status in (done, "Already exists", "Layer already exists") for status in layers.values())
            say(f"{ready} of {len(layers)} layers")
    say("done")
    return closing


def said(error: DockerException) -> str:
    explanation = error.explanation if isinstance(error, APIError) else None
    return str(explanation or error)


def fault(reference: str, text: str) -> SlipwayError:
    """What the engine said of a registry, as an error that says what to do."""
    registry, lower = address(reference), text.lower()
    if any(sign in lower for sign in REFUSED):
        return RegistryLoginError(
            f"registry {registry} refuses the login for {reference}: it is missing or has expired:"
            f" `docker login {registry}` as the user who asks, or correct the connection of docker_conn_id"
        )
    if any(sign in lower for sign in GONE):
        return ImageMissingError(
            f"registry {registry} does not hold {reference}: name a digest that it has in images.lock, or release anew"
        )
    return RegistryAwayError(
        f"registry {registry} did not answer for {reference} ({text.strip()[:300]}): is it up, and can the engine"
        " reach it?"
    )
