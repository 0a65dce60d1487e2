"""The job that is no Python: what its script lists, refuses and leaves, run by a shell as its image runs it."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from jobs import schemas

SCRIPT = schemas.JOBS / "checksums" / "checksums.sh"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    for folder in ("in", "out", "lake/landing/bikes"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "lake" / "landing"


def run(landing: Path, lake: str | None = None) -> tuple[int, dict, str]:
    """Exit code, outputs.json, and what was printed."""
    job = landing.parent.parent
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LAKE_URI": lake or str(landing.parent)}
    done = subprocess.run(["sh", SCRIPT, job], env=environment, capture_output=True, text=True, check=False)
    assert [path.name for path in (job / "out").iterdir()] == ["outputs.json"], done.stderr
    return done.returncode, json.loads((job / "out" / "outputs.json").read_text()), done.stdout


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_each_landing_file_is_listed_with_its_sum_and_size(landing: Path) -> None:
    (landing / "b.csv").write_bytes(b"day,rides\n")
    (landing / "bikes" / "a b.csv").write_bytes(b"")
    (landing / ".incoming").mkdir()
    (landing / ".incoming" / "half.csv").write_bytes(b"what is still arriving")
    code, outputs, printed = run(landing)
    listing = f"{sum_of(b'day,rides' + bytes([10]))} 10 b.csv\n{sum_of(b'')} 0 bikes/a b.csv\n"
    assert (code, printed) == (0, listing)
    assert outputs == {
        "slipway": 1,
        "job": "checksums",
        "status": "done",
        "reason": "",
        "counts": {"files": 2, "bytes": 10, "lists": 0},
        "listing_sha256": sum_of(listing.encode()),
        "error": None,
        "closed": True,
    }


def test_the_list_is_in_one_order_whatever_the_folders(landing: Path) -> None:
    for name in "hbdfaceg":
        (landing / name).write_bytes(b"1")
    assert [line.split()[2] for line in run(landing)[2].splitlines()] == list("abcdefgh")


@pytest.mark.parametrize("name", ['quo"te.csv', "back\\slash.csv", "two\nlines.csv", "-n", "$(touch x).csv", "ü.csv"])
def test_a_name_may_hold_anything(landing: Path, name: str) -> None:
    (landing / name).write_bytes(b"1")
    code, outputs, printed = run(landing)
    assert (code, outputs["counts"]["files"], outputs["counts"]["bytes"]) == (0, 1, 1)
    assert printed == f"{sum_of(b'1')} 1 {name.replace(chr(10), '?')}\n"


def test_a_delivery_that_is_as_its_list_says_is_counted(landing: Path) -> None:
    (landing / "bikes" / "a.csv").write_bytes(b"1")
    (landing / "bikes" / "SHA256SUMS").write_text(f"{sum_of(b'1')}  a.csv\n")
    code, outputs, _ = run(landing)
    assert (code, outputs["counts"]["lists"]) == (0, 1)


@pytest.mark.parametrize(
    "listed", [f"{'0' * 64}  a.csv\n", f"{sum_of(b'1')}  gone.csv\n", f"{sum_of(b'1')}  a.csv\nno sum\n"]
)
def test_a_delivery_that_is_not_as_its_list_says_is_bad_data(landing: Path, listed: str) -> None:
    (landing / "bikes" / "a.csv").write_bytes(b"1")
    (landing / "bikes" / "SHA256SUMS").write_text(listed)
    code, outputs, _ = run(landing)
    assert (code, outputs["status"], outputs["error"]["kind"]) == (65, "failed", "bad_data")
    assert f"{landing} is not as its bikes/SHA256SUMS says" in outputs["error"]["message"]


def test_without_landing_there_is_nothing_to_do(landing: Path) -> None:
    code, outputs, _ = run(landing, "/none")
    assert (code, outputs["status"], outputs["closed"]) == (99, "nothing_to_do", True)
    assert outputs["reason"] == "/none/landing is not there: nothing was landed yet"


def test_a_lake_in_a_bucket_leaves_the_inputs_to_list(landing: Path) -> None:
    (landing.parent.parent / "in" / "inputs.json").write_text("{}")
    code, outputs, printed = run(landing, "s3://bucket/lake")
    assert (code, outputs["counts"]["files"], printed) == (0, 1, f"{sum_of(b'{}')} 2 inputs.json\n")
