"""The stack's bucket, through `objects.py` of the store's image: on the network of the jobs, with the bucket's key."""

from collections.abc import Callable
from typing import IO, Any

from slipway.stack.compose import Compose

# The one-shot that prepares the bucket has all that a look into it needs; its key stands on no command line.
CONTAINER = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", "store-init")
PROGRAM = "/opt/slipway/objects.py"


def words(*words: str) -> tuple[str, ...]:
    return (*CONTAINER, PROGRAM, *words)


def listed(composed: Compose, prefix: str = "") -> dict[str, int]:
    """Size by key of the objects that begin with the prefix."""
    said = composed.run("the bucket can't be listed", *words("list", *filter(None, [prefix])))
    rows = [line.rsplit(maxsplit=1) for line in said.splitlines() if line.strip()]
    return {key: int(size) for key, size in rows}


def put(composed: Compose, key: str, size: int, give: Callable[[IO[bytes]], Any]) -> None:
    """Stream one object; whole or not at all.

    Raises StackError.
    """
    composed.feed(f"the store did not take {key}", give, *words("put", key, str(size)))


def dump(composed: Compose, take: Callable[[IO[bytes]], Any]) -> None:
    composed.stream("the bucket can't be read", take, *words("dump"))


def load(composed: Compose, archive: IO[bytes]) -> None:
    """Fill an empty bucket from an archive."""
    composed.run("the bucket can't be filled", *words("load"), stdin=archive)
