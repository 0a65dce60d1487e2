"""What is done to a bucket from inside the stack's network: `python objects.py WORD …`, where

prepare            leaves bucket and key as the settings say, and proves that a lake can lie in the store
dump > TAR         writes all objects
load < TAR         puts them into an empty bucket
put KEY [BYTES]    puts standard input, whole or not at all; fewer than BYTES are refused
list [PREFIX]      prints key and size of each object
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from images.store import archive, bucket, proof, scoped_key
from images.store.bucket import StoreError
from images.store.whole import Whole


def prepare() -> None:
    team = bucket.of_environment()
    if team.own:
        scoped_key.make(team)
    proof.prove(team)
    sys.stdout.write(f"the bucket {team.name} at {team.endpoint} is ready\n")


def dump() -> None:
    archive.dump(bucket.of_environment(), sys.stdout.buffer)


def load() -> None:
    archive.load(bucket.of_environment(), sys.stdin.buffer)


def put(key: str, size: str = "0") -> None:
    team = bucket.of_environment()
    team.client().upload_fileobj(Whole(sys.stdin.buffer, int(size)), team.name, key)


def listing(prefix: str = "") -> None:
    for key, size in bucket.of_environment().objects(prefix):
        sys.stdout.write(f"{key}\t{size}\n")


WORDS: dict[str, Callable[..., Any]] = {"prepare": prepare, "dump": dump, "load": load, "put": put, "list": listing}


def main(arguments: list[str]) -> int:
    """Exit 0, 64 for a wrong call, else 1 with one line."""
    if not arguments or arguments[0] not in WORDS:
        sys.stderr.write(f"{__doc__}")
        return 64
    try:
        WORDS[arguments[0]](*arguments[1:])
    except (StoreError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{said(error)}\n")
        return 1
    return 0


def said(error: Exception) -> str:
    """One line, with the address of the store that this is about."""
    if isinstance(error, StoreError):
        return str(error)
    where = os.environ.get("S3_ENDPOINT_URL") or bucket.OWN_STORE
    return f"the store at {where} failed us: {' '.join(str(error).split())}: is it up, and are the S3_* settings right?"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
