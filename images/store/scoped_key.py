"""The own store's bucket and the one key for it, which opens nothing else; made by the store's root key."""

import json
import os

from images.store.bucket import Bucket, StoreError
from images.store.signed import Signer

ADMIN = "/rustfs/admin/v3"
ON_OBJECTS = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"]
ON_BUCKET = ["ListBucket", "GetBucketLocation", "ListBucketMultipartUploads"]


def make(bucket: Bucket) -> None:
    """Leave bucket and key as the settings say; what is so already stays.

    Raises StoreError when the store refuses the root key.
    """
    store = Signer(bucket.endpoint, os.environ["STORE_ROOT_KEY"], os.environ["STORE_ROOT_SECRET"], bucket.region)
    # 409: the bucket is there, and ours.
    ask(store, "PUT", f"/{bucket.name}", accepted=(200, 409))
    ask(store, "PUT", f"{ADMIN}/add-canned-policy", {"name": bucket.name}, policy(bucket.name))
    secret = {"secretKey": bucket.secret_key, "status": "enabled"}
    ask(store, "PUT", f"{ADMIN}/add-user", {"accessKey": bucket.access_key}, secret)
    binding = {"policyName": bucket.name, "userOrGroup": bucket.access_key, "isGroup": "false"}
    ask(store, "PUT", f"{ADMIN}/set-user-or-group-policy", binding)


def ask(
    store: Signer,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    document: object = None,
    accepted: tuple[int, ...] = (200,),
) -> None:
    body = b"" if document is None else json.dumps(document).encode()
    try:
        status, said = store.request(method, path, query, body)
    except OSError as error:
        raise StoreError(f"the store at {store.endpoint} does not answer ({error}): see its log") from error
    if status == 403:
        raise StoreError(
            f"the store at {store.endpoint} refuses STORE_ROOT_KEY and STORE_ROOT_SECRET: they are not those in .env"
        )
    if status not in accepted:
        raise StoreError(f"the store at {store.endpoint} refuses {method} {path} ({status}): {said[:200].decode()!r}")


def policy(name: str) -> dict[str, object]:
    """What a job may do: read, write and delete objects of this bucket, and list them."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(ON_BUCKET, f"arn:aws:s3:::{name}"),
            allow(ON_OBJECTS, f"arn:aws:s3:::{name}/*"),
        ],
    }


def allow(actions: list[str], resource: str) -> dict[str, object]:
    return {"Effect": "Allow", "Action": [f"s3:{action}" for action in actions], "Resource": [resource]}
