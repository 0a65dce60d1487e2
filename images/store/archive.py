"""The bucket as one tar stream, and back."""

import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from images.store.bucket import MISSING, Bucket, StoreError
from images.store.whole import Whole

LOG = "/_delta_log/"
# Each pass lists anew, so all that an object of an earlier one names is in the lists of the later ones:
# a pointer names a checkpoint, and a log names data files that were there before it.
PASSES: tuple[Callable[[str], bool], ...] = (
    lambda key: LOG in key and key.endswith("/_last_checkpoint"),
    lambda key: LOG in key and not key.endswith("/_last_checkpoint"),
    lambda key: LOG not in key,
)


def dump(bucket: Bucket, out: BinaryIO) -> None:
    """Write every object to a tar, while others may go on writing."""
    client = bucket.client()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for chosen in PASSES:
            for key, size in bucket.objects():
                # A folder's mark of another client's making holds nothing, and a tar would take it for a folder.
                if chosen(key) and not (key.endswith("/") and size == 0):
                    add(archive, client, bucket.name, key)


def add(archive: tarfile.TarFile, client: Any, bucket: str, key: str) -> None:
    try:
        found = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING:
            raise
        sys.stderr.write(f"{key} was removed meanwhile: it is not in the copy\n")
        return
    member = tarfile.TarInfo(key)
    # Of this moment, not of the list: an object may have been replaced since.
    member.size = found["ContentLength"]
    member.mtime = found["LastModified"].timestamp()
    archive.addfile(member, found["Body"])


def load(bucket: Bucket, source: BinaryIO) -> None:
    """Put every member of a tar into the bucket.

    Raises StoreError for a bucket that is not empty, and for a tar that is cut off.
    """
    if there := next(bucket.objects(), None):
        raise StoreError(f"the bucket {bucket.name} is not empty (it has {there[0]}): restore into an empty one")
    client = bucket.client()
    try:
        for member, content in members(source):
            client.upload_fileobj(Whole(content, member.size), bucket.name, member.name)
    except tarfile.ReadError as error:
        raise StoreError(f"the copy of the bucket is cut off ({error}): take another one") from error


def members(source: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    with tarfile.open(fileobj=source, mode="r|") as archive:
        for member in archive:
            yield member, archive.extractfile(member)
