"""`slipway doctor`: one line for each thing that a stack rests on, good or bad, with what to do."""

from collections.abc import Callable, Iterator
from functools import partial

import docker
from docker.errors import DockerException
from httpx import HTTPError
from requests import RequestException

from slipway.errors import SlipwayError
from slipway.progress import say
from slipway.stack import checks, containers, host, live_checks, stack
from slipway.stack.checks import Finding
from slipway.stack.stack import Stack

Look = tuple[str, Callable[[], Finding]]


def examine() -> int:
    """Say each finding; 1 when one of them is a failure."""
    failed = [show(title, guarded(look)) == "fail" for title, look in looks()]
    return int(any(failed))


def show(title: str, found: Finding) -> str:
    say(f"{found.word:<5} {title:<14} {found.text}")
    return found.word


def guarded(look: Callable[[], Finding]) -> Finding:
    """A look that is not possible is a failure that says why."""
    try:
        return look()
    except SlipwayError as error:
        return Finding("fail", str(error))
    except (DockerException, RequestException, HTTPError, OSError, ValueError, KeyError) as error:
        return Finding("fail", f"can't be looked at: {type(error).__name__}: {str(error)[:200]}")


def looks() -> Iterator[Look]:
    """What to look at, in the order in which one thing rests on another."""
    yield ".env", checks.secrets
    yield "compose", checks.compose_found
    try:
        client = host.connect(timeout_seconds=30)
    except SlipwayError as error:
        yield "engine", partial(Finding, "fail", str(error))
        return
    with client:
        yield from engine_looks(client)
        try:
            deployed = stack.read()
        except SlipwayError as error:
            yield "settings", partial(Finding, "fail", str(error))
            return
        yield from stack_looks(client, deployed)


def engine_looks(client: docker.APIClient) -> Iterator[Look]:
    yield "engine", partial(checks.engine_answers, client)
    yield "disk", partial(checks.room, client)
    yield "memory", partial(checks.memory, client)
    yield "clock", partial(checks.clock, client)


def stack_looks(client: docker.APIClient, deployed: Stack) -> Iterator[Look]:
    yield "ports", partial(checks.ports_free, client, deployed)
    yield "images", partial(checks.images, client, deployed)
    services = containers.services(client, deployed)
    if not services:
        yield "services", partial(Finding, "warn", f"{deployed.name} is down: `make up` starts it")
        return
    for service in services:
        yield service.name, partial(live_checks.service, client, service)
    yield "login", partial(live_checks.mlflow, deployed)
    yield "bucket", partial(live_checks.store, deployed)
    yield "Variables", partial(live_checks.variables, deployed)
