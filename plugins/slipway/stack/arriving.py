"""`slipway land` into the stack's bucket: streamed, and each file visible as a whole or not at all."""

from pathlib import PurePosixPath
from typing import IO

from slipway.embedded.landing import Arrival, chunks
from slipway.stack import objects
from slipway.stack.compose import Compose

LANDING = PurePosixPath("lake/landing")


def land(files: list[Arrival], folder: PurePosixPath, composed: Compose) -> dict[str, bool]:
    """Each name, and whether a file of that name was replaced.

    Raises StackError or LandingError at the first file that could not be brought in; those before it are there.
    """
    there = objects.listed(composed, f"{LANDING / folder}/")
    return {file.name: put(composed, file, str(LANDING / folder / file.name), there) for file in files}


def put(composed: Compose, file: Arrival, key: str, there: dict[str, int]) -> bool:
    def give(target: IO[bytes]) -> None:
        for chunk in chunks(file):
            target.write(chunk)

    objects.put(composed, key, file.bytes, give)
    return key in there
