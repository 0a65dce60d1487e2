"""What a store has to honour before a lake may lie in it, tried with one object that is removed again."""

import uuid
from typing import Any

from botocore.exceptions import ClientError

from images.store.bucket import MISSING, Bucket, StoreError

CONTENT = b"0123456789"


def prove(bucket: Bucket) -> None:
    """Raises StoreError that names the store and all that it lacks."""
    # Somebody waits for the answer, and a few bytes are all that is asked for.
    client = bucket.client(patience_seconds=10)
    reach(bucket, client)
    of = {"Bucket": bucket.name, "Key": f".slipway/proof-{uuid.uuid4().hex}"}
    client.put_object(**of, Body=CONTENT)
    try:
        tried = {
            "ranges (`Range: bytes=2-4`)": in_range(client, of, "bytes=2-4") == b"234",
            "ranges from the end (`Range: bytes=-3`)": in_range(client, of, "bytes=-3") == b"789",
            "PUT if absent (`If-None-Match: *`)": refuses(client, of, 412, IfNoneMatch="*"),
            "PUT if unchanged (`If-Match`)": refuses(client, of, 412, IfMatch='"00000000000000000000000000000000"'),
            "checking of secrets (it lets in who has a wrong one)": refuses(
                bucket.client(f"{bucket.secret_key[:-1]}~"), of, 403
            ),
        }
    finally:
        client.delete_object(**of)
    if lacking := [name for name, holds in tried.items() if not holds]:
        raise StoreError(
            f"the store at {bucket.endpoint} lacks {', '.join(lacking)}: a lake can't lie there, so take another"
        )


def reach(bucket: Bucket, client: Any) -> None:
    """Make somebody else's bucket if it is missing and the key may do so.

    Raises StoreError when the bucket can't be reached.
    """
    try:
        client.head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING:
            raise StoreError(refused(bucket)) from error
        create(bucket, client)


def create(bucket: Bucket, client: Any) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": bucket.region}}
    try:
        client.create_bucket(Bucket=bucket.name, **({} if bucket.region == "us-east-1" else where))
    except ClientError as error:
        raise StoreError(
            f"no bucket {bucket.name} at {bucket.endpoint}, and S3_ACCESS_KEY may not make it"
            f" ({error.response['Error']['Code']}): make it, or correct S3_BUCKET in .env"
        ) from error


def refused(bucket: Bucket) -> str:
    return (
        f"the store at {bucket.endpoint} refuses S3_ACCESS_KEY {bucket.access_key} for the bucket {bucket.name}:"
        " correct S3_ACCESS_KEY, S3_SECRET_KEY or S3_BUCKET in .env"
    )


def in_range(client: Any, of: dict[str, str], asked: str) -> bytes:
    content: bytes = client.get_object(**of, Range=asked)["Body"].read()
    return content


def refuses(client: Any, of: dict[str, str], status: int, **condition: str) -> bool:
    """Whether a PUT ends with that status."""
    try:
        client.put_object(**of, Body=CONTENT, **condition)
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == status)
    return False
