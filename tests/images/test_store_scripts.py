"""The store image's scripts against a real store, and against one that only looks like it."""

import io
import os
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from fake_store import FakeStore, running

from images.store import archive, proof, scoped_key
from images.store.bucket import Bucket, StoreError
from images.store.signed import Signer
from images.store.whole import Whole

LOG = "lake/raw/_delta_log"


@pytest.fixture(scope="session")
def rustfs(tmp_path_factory):
    """The address of a store of its own."""
    folder = os.environ.get("SLIPWAY_RUSTFS")
    if not folder:
        pytest.skip("SLIPWAY_RUSTFS names no folder with the program rustfs")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    root = {"RUSTFS_ACCESS_KEY": "rootkey", "RUSTFS_SECRET_KEY": "rootsecret", "RUSTFS_CONSOLE_ENABLE": "false"}
    environment = {**os.environ, **root, "RUSTFS_ADDRESS": address, "RUSTFS_OBS_LOGGER_LEVEL": "error"}
    command = [f"{folder}/rustfs", "server", str(tmp_path_factory.mktemp("store"))]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as store:
        wait_for(f"http://{address}/health/ready")
        yield f"http://{address}"
        store.terminate()


def wait_for(address):
    until = time.monotonic() + 60
    while True:
        try:
            return urllib.request.urlopen(address, timeout=1).close()  # noqa: S310 - loopback
        except urllib.error.URLError:
            assert time.monotonic() < until, "the store did not start"
            time.sleep(0.1)


@pytest.fixture
def bucket(rustfs, request, monkeypatch):
    monkeypatch.setenv("STORE_ROOT_KEY", "rootkey")
    monkeypatch.setenv("STORE_ROOT_SECRET", "rootsecret")
    name = f"team-{abs(hash(request.node.name)) % 10**8}"
    made = Bucket(rustfs, name, f"key{name[5:]}", "secret-of-the-team", "us-east-1", own=True)
    scoped_key.make(made)
    return made


def put(bucket, **objects):
    for name, content in objects.items():
        bucket.client().put_object(Bucket=bucket.name, Key=name.replace("__", "/"), Body=content)


def test_a_real_store_passes_and_keeps_nothing_of_the_proof(bucket):
    proof.prove(bucket)
    assert list(bucket.objects()) == []


def test_a_store_that_ignores_conditions_and_secrets_is_refused_by_name():
    with running() as address:
        bucket = Bucket(address, "team", "key", "secret", "us-east-1", own=False)
        with pytest.raises(StoreError) as refused:
            proof.prove(bucket)
    assert str(refused.value) == (
        f"the store at {address} lacks PUT if absent (`If-None-Match: *`), PUT if unchanged (`If-Match`), checking of"
        " secrets (it lets in who has a wrong one): a lake can't lie there, so take another"
    )
    assert FakeStore.objects == {}


def test_the_key_opens_its_bucket_and_nothing_else(bucket):
    other = replace(bucket, name="other-team")
    scoped_key.ask(Signer(bucket.endpoint, "rootkey", "rootsecret"), "PUT", "/other-team", accepted=(200, 409))
    with pytest.raises(StoreError, match=r"refuses S3_ACCESS_KEY \w+ for the bucket other-team: correct"):
        proof.prove(other)
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client().create_bucket(Bucket="third-team")


def test_a_new_secret_takes_the_place_of_the_former(bucket):
    renewed = replace(bucket, secret_key="another-secret")
    scoped_key.make(renewed)
    proof.prove(renewed)
    with pytest.raises(StoreError, match="correct S3_ACCESS_KEY, S3_SECRET_KEY or S3_BUCKET"):
        proof.prove(bucket)


def test_a_wrong_root_key_is_told(bucket, monkeypatch):
    monkeypatch.setenv("STORE_ROOT_SECRET", "of-another-env")
    with pytest.raises(StoreError, match="refuses STORE_ROOT_KEY and STORE_ROOT_SECRET: they are not those in"):
        scoped_key.make(bucket)


def test_a_store_that_is_away_is_told(bucket):
    with pytest.raises(StoreError, match=r"the store at http://127\.0\.0\.1:1 does not answer"):
        scoped_key.make(replace(bucket, endpoint="http://127.0.0.1:1"))


def test_a_copy_names_each_log_before_what_it_names_and_comes_back_whole(bucket):
    files = {
        "lake/raw/day=1/a.parquet": b"rows",
        f"{LOG}/0.json": b"add a",
        f"{LOG}/0.checkpoint.parquet": b"all",
        f"{LOG}/_last_checkpoint": b"0",
        "mlflow/1/modèle & more/x.bin": b"\0" * 3_000_000,
    }
    put(bucket, **files)
    copy = io.BytesIO()
    archive.dump(bucket, copy)
    with tarfile.open(fileobj=io.BytesIO(copy.getvalue())) as opened:
        names = opened.getnames()
    assert names[:3] == [f"{LOG}/_last_checkpoint", f"{LOG}/0.checkpoint.parquet", f"{LOG}/0.json"]
    empty = replace(bucket, name=f"{bucket.name}-b", access_key=f"{bucket.access_key}b")
    scoped_key.make(empty)
    archive.load(empty, io.BytesIO(copy.getvalue()))
    client = empty.client()
    assert {key: client.get_object(Bucket=empty.name, Key=key)["Body"].read() for key, _ in empty.objects()} == files


def test_a_copy_is_not_put_over_what_is_there(bucket):
    put(bucket, lake__there=b"1")
    with pytest.raises(StoreError, match=r"is not empty \(it has lake/there\)"):
        archive.load(bucket, io.BytesIO())


def test_a_copy_that_is_cut_off_is_told(bucket):
    put(bucket, lake__big=b"\0" * 100_000)
    copy = io.BytesIO()
    archive.dump(bucket, copy)
    bucket.client().delete_object(Bucket=bucket.name, Key="lake/big")
    with pytest.raises(StoreError, match="the copy of the bucket is cut off"):
        archive.load(bucket, io.BytesIO(copy.getvalue()[:50_000]))


@pytest.mark.parametrize("size", [1_000, 20_000_000])
def test_an_upload_that_breaks_off_leaves_nothing(bucket, size):
    with pytest.raises(StoreError, match="the file broke off 1 bytes before its end: nothing was put"):
        bucket.client().upload_fileobj(Whole(io.BytesIO(b"\0" * (size - 1)), size), bucket.name, "landing/file.csv")
    assert list(bucket.objects()) == []
    assert "Uploads" not in bucket.client().list_multipart_uploads(Bucket=bucket.name)
