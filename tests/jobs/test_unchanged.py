"""What an older result rests on, and when it stands for a new one."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from line import CODE, OLDER
from pyarrow.fs import FileInfo, FileType

from jobs import unchanged


@dataclass
class Lake:
    """One pipeline's lake without a job having run: what `look` compares is written by hand."""

    folder: Path
    parameters: dict[str, Any] = field(default_factory=lambda: {"source": {"files": "*.csv"}})
    parts: dict[str, Any] = field(default_factory=lambda: {"job": "ingest", "code": CODE, "parameters": {"seed": "a"}})

    def write(self, name: str = "raw") -> int:
        rows = pa.table({"day": [1, 2], "x": [1.0, 2.0]})
        write_deltalake(self.path(name), rows, partition_by=["day"], mode="append")
        return self.table(name).version()

    def path(self, name: str) -> str:
        return str(self.folder / "lake" / "p" / name)

    def table(self, name: str = "raw") -> DeltaTable:
        return DeltaTable(self.path(name))

    def land(self, name: str, text: str = "a\n") -> None:
        path = self.folder / "lake" / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def look(self, past: dict[str, Any] | None = None, job: str = "ingest", **more: Any) -> unchanged.Look:
        inputs = {"job": job, "pipeline": "p", "parameters": self.parameters, **more}
        return unchanged.look(inputs | {"fingerprint": {"parts": self.parts, "past": past}})

    def past(self, **outputs: Any) -> dict[str, Any]:
        """What the operator hands on of a run that left everything as it is now."""
        return {"run_id": "older", "parts": self.look().parts, "outputs": outputs, "reused": OLDER}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "lake"))
    there = Lake(tmp_path)
    there.write()
    there.land("rows.csv")
    return there


def test_the_same_again_is_a_hit_and_says_why(lake: Lake) -> None:
    found = lake.look(lake.past(tables={"raw": {"version": 0}}))
    assert found.outputs == {"tables": {"raw": {"version": 0}}}
    assert found.why == (
        "unchanged: the same image, parameters, files in landing and raw@v0 as run older of 2026-11-26 03:45 UTC"
    )
    assert found.parts["tables"] == {"raw": 0}
    assert sorted(found.parts["landing"]["files"]) == ["rows.csv"]


def rewritten(lake: Lake) -> None:
    lake.land("rows.csv", "b\n")


def grown(lake: Lake) -> None:
    lake.land("more.csv")


def overwritten(lake: Lake) -> None:
    lake.write()


def made_anew(lake: Lake) -> None:
    for path in sorted(Path(lake.path("raw")).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert lake.write() == 0


def other_image(lake: Lake) -> None:
    lake.parts["code"] = "sha256:2e"


def other_parameter(lake: Lake) -> None:
    lake.parts["parameters"] = {"seed": "b"}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (rewritten, "landing"),
        (grown, "landing"),
        (overwritten, "tables"),
        (made_anew, "table_ids"),
        (other_image, "code"),
        (other_parameter, "parameters"),
    ],
)
def test_a_change_is_no_hit_and_is_named(lake: Lake, change: Any, part: str) -> None:
    past = lake.past()
    change(lake)
    found = lake.look(past)
    assert (found.outputs, found.why) == (None, f"run older of 2026-11-26 03:45 UTC rested on other {part}")


def test_a_table_whose_files_were_vacuumed_is_no_hit(lake: Lake) -> None:
    past = lake.past()
    Path(lake.table().file_uris()[0]).unlink()
    assert lake.look(past).why == "1 of the files of raw@v0 are gone"


def test_files_of_days_with_odd_names_are_found(lake: Lake) -> None:
    write_deltalake(lake.path("quarantine"), pa.table({"day": ["1 a/b %"], "x": [1.0]}), partition_by=["day"])
    past = lake.past(tables={"quarantine": {"version": 0}})
    assert lake.look(past).outputs is not None


def test_another_output_that_was_overwritten_is_no_hit(lake: Lake) -> None:
    lake.write("quarantine")
    past = lake.past(tables={"quarantine": {"version": 0}})
    assert lake.look(past).outputs is not None
    lake.write("quarantine")
    assert lake.look(past).why == "quarantine@v0 is overwritten: its newest version is 1"


def test_another_output_that_is_gone_is_no_hit(lake: Lake) -> None:
    assert lake.look(lake.past(tables={"quarantine": {"version": 0}})).why == "the table quarantine is gone"


def test_without_an_older_run_there_is_no_hit(lake: Lake) -> None:
    assert lake.look(None).why == "no run of this image with these parameters has a result that could stand"


def test_force_and_a_replay_are_never_a_hit(lake: Lake) -> None:
    past = lake.past()
    assert lake.look(past, replay={"run_id": "x"}).why == "it is a replay"
    lake.parameters["force"] = True
    assert lake.look(past).why == "force asks for it"


@pytest.mark.parametrize("text", ["job: ingest\nsecrets: []\n", "job: ingest\nreuse: false\n"])
def test_a_job_that_says_no_reuse_always_runs(lake: Lake, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    past = lake.past()
    folder = lake.folder / "jobs" / "other"
    folder.mkdir(parents=True)
    (folder / "job.yaml").write_text(text)
    monkeypatch.setattr("jobs.job_file.JOBS", folder.parent)
    assert lake.look(past, "other").why == "its job.yaml has no reuse: this job always runs"


def test_a_version_that_is_asked_for_may_be_an_old_one(lake: Lake) -> None:
    lake.parameters = {"data_version": 0}
    past = lake.past(tables={"raw": {"version": 0}})
    lake.write()
    assert lake.look(past, "train").outputs is not None
    lake.parameters = {"data_version": 1}
    assert lake.look(past, "train").why.endswith("rested on other tables")


def test_a_built_in_source_rests_on_no_file(lake: Lake) -> None:
    lake.parameters = {"source": {"builtin": "bike_demand"}}
    assert "landing" not in lake.look().parts


def test_a_thousand_files_make_a_short_part_that_still_tells_a_change(lake: Lake) -> None:
    for number in range(1000):
        lake.land(f"a-file-of-some-length-{number}.csv")
    past = lake.past()
    assert len(json.dumps(past["parts"]["landing"])) < 100
    assert lake.look(past).outputs is not None
    lake.land("a-file-of-some-length-7.csv", "other\n")
    assert lake.look(past).why.endswith("rested on other landing")


def test_an_object_in_the_bucket_is_known_by_its_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bucket:
        time = 1

        def __init__(self, place: str, options: dict[str, str]) -> None:
            assert place == "s3://bucket/lake/landing"

        def get_file_info_selector(self, _: Any) -> list[FileInfo]:
            names = ("x.csv", ".incoming/y.csv", "sub/z.csv")
            return [FileInfo(name, FileType.File, size=5, mtime_ns=self.time) for name in names]

    monkeypatch.setenv("LAKE_URI", "s3://bucket/lake")
    monkeypatch.setattr("deltalake.fs.DeltaStorageHandler", Bucket)
    before = unchanged.landing_of("*.csv")
    assert list(before["files"]) == ["x.csv"]
    monkeypatch.setattr(Bucket, "time", 2)
    assert unchanged.landing_of("*.csv") != before


def test_to_look_is_a_command_of_its_own(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    past = lake.past()
    path = lake.folder / "in" / "inputs.json"
    path.parent.mkdir()
    inputs = {"job": "ingest", "pipeline": "p", "parameters": lake.parameters}
    path.write_text(json.dumps(inputs | {"fingerprint": {"parts": lake.parts, "past": past}}))
    assert unchanged.main(["--inputs", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"parts": past["parts"], "hit": True, "why": told["why"]}
    assert not (lake.folder / "out").exists()
