"""The team's bucket: which store it is in, by which key, and what a refusal means."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

OWN_STORE = "http://store:9000"
MISSING = ("404", "NoSuchBucket", "NoSuchKey")


class StoreError(Exception):
    """The store can't be used as it is; the message says what to do."""


@dataclass(frozen=True)
class Bucket:
    """A bucket by the four settings; `own` is false for a store that somebody else runs."""

    endpoint: str
    name: str
    access_key: str
    secret_key: str
    region: str
    own: bool

    def client(self, secret_key: str = "", patience_seconds: int = 60) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name=self.region,
            config=Config(connect_timeout=5, read_timeout=patience_seconds, retries={"total_max_attempts": 3}),
        )

    def objects(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Key and size of each object, in the order of keys."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", []):
                yield found["Key"], found["Size"]


def of_environment() -> Bucket:
    """Raises StoreError where a setting is missing."""
    missing = [name for name in ("S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY") if not os.environ.get(name)]
    if missing:
        raise StoreError(f"{', '.join(missing)} not set: see .env")
    given = os.environ.get("S3_ENDPOINT_URL", "")
    return Bucket(
        endpoint=given or OWN_STORE,
        name=os.environ["S3_BUCKET"],
        access_key=os.environ["S3_ACCESS_KEY"],
        secret_key=os.environ["S3_SECRET_KEY"],
        region=os.environ.get("S3_REGION") or "us-east-1",
        own=not given,
    )
