"""Landing on S3: what is fetched, under which name, and what is not looked at."""

from pathlib import Path
from typing import Any

import pytest
from line import Line, as_csv, demand_rows

from jobs import landed
from jobs.ingest import landing


class Bucket:
    """As much of boto3's client as landing uses."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def get_paginator(self, _: str) -> "Bucket":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": f"landing/{key}"} for key in self.keys]}]

    def download_file(self, _: str, key: str, path: str) -> None:
        Path(path).write_text(key)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKE_URI", "s3://lake")
    return tmp_path


def put(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setattr(landed, "s3", lambda: Bucket(*keys))


def test_files_of_one_name_in_two_folders_are_both_read_and_one_at_a_time(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, "a/rows.csv", "b/rows.csv")
    seen = [(file.name, file.path.read_text(), len(list(scratch.iterdir()))) for file in found("*/*.csv", scratch)]
    assert seen == [("a/rows.csv", "landing/a/rows.csv", 1), ("b/rows.csv", "landing/b/rows.csv", 1)]
    assert list(scratch.iterdir()) == []


def found(pattern: str, scratch: Path) -> Any:
    return landing.landed_files(pattern, scratch)


def test_what_begins_with_a_dot_is_still_arriving(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, ".incoming/1f/x.csv", "a/.b/x.csv", "a/b/.x.csv", "a/b/x.csv")
    assert [file.name for file in found("*/*/*.csv", scratch)] == ["a/b/x.csv"]


def test_what_begins_with_a_dot_is_still_arriving_in_a_folder_too(line: Line) -> None:
    line.yaml["source"] = {"files": "*/*/*.csv"}
    (line.landing / ".incoming" / "1f").mkdir(parents=True)
    line.land(as_csv(demand_rows(2)), ".incoming/1f/x.csv")
    assert line.run("ingest") == 65


def test_files_of_one_name_in_two_folders_of_the_disk_are_both_read(line: Line) -> None:
    line.yaml["source"] = {"files": "*/*.csv"}
    for place, name in enumerate(("a", "b")):
        (line.landing / name).mkdir(parents=True)
        line.land(as_csv(demand_rows(4)[place * 48 : place * 48 + 48]), f"{name}/rows.csv")
    assert line.run("ingest") == 0
    assert line.outputs["counts"] | {"rows": 96, "files": 2} == line.outputs["counts"]
