"""An older result that stands: when it does, when it does not, and what is not even imported to tell."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from line import Line, as_csv, demand_rows
from pyarrow.fs import FileInfo, FileType

from jobs import contract, unchanged

REPOSITORY = Path(__file__).parents[2]
CODE = "sha256:1f"
MAKER = {"run_id": "older", "when": "2026-11-26 03:45 UTC"}
HEAVY = ("mlflow", "pandas", "sklearn", "duckdb", "pyarrow", "pydantic", "boto3", "numpy")


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
        return {"run_id": "older", "parts": self.look().parts, "outputs": outputs, "reused": MAKER}


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


# From here on with the jobs themselves.


@dataclass
class Told:
    """A line whose jobs are told by a caller what they rest on, and which older run there is."""

    line: Line
    runs: int = 0

    def run(self, job: str, past: dict[str, Any] | None = None, models: Any = None, **more: Any) -> int:
        self.runs += 1
        inputs = self.line.inputs(job, f"told-{self.runs}", 1, more)
        parts = {"job": job, "code": CODE, "parameters": {}} | ({"models": models} if models else {})
        path = self.line.folder / "in" / "inputs.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(inputs | {"fingerprint": {"parts": parts, "past": past}}))
        code = contract.main(job, ["--inputs", str(path)])
        self.line.outputs = json.loads((self.line.folder / "out" / "outputs.json").read_text())
        return code

    def past(self) -> dict[str, Any]:
        """The run before, as the operator would find it."""
        outputs = self.line.outputs
        skipped = {"nothing_to_do": outputs["reason"]} if outputs["status"] == "nothing_to_do" else {}
        return {"run_id": "older", "parts": outputs["fingerprint"], "outputs": outputs, "reused": MAKER | skipped}


@pytest.fixture
def told(line: Line) -> Told:
    line.land(as_csv(demand_rows()))
    return Told(line)


def test_the_whole_line_again_leaves_the_old_outputs_and_asks_no_mlflow(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        ("ingest", None, None, {}),
        ("train", {"challenger": None}, {"challenger": 1}, {}),
        ("promote", {"challenger": 1, "champion": None}, {"challenger": 1, "champion": 1}, {}),
        ("predict", {"champion": 1}, {"champion": 1}, {"start": "2024-01-18"}),
    ]
    pasts = {}
    for job, models, _, more in steps:
        assert told.run(job, models=models, **more) == 0
        assert told.line.outputs["status"] == "done"
        pasts[job] = told.past()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for job, _, models, more in steps:
        assert told.run(job, pasts[job], models, **more) == 0
        new, old = told.line.outputs, pasts[job]["outputs"]
        assert (new["status"], new["reused"], new["closed"]) == ("unchanged", MAKER, True)
        same = ("counts", "tables", "model", "metrics", "mlflow", "fingerprint", "job")
        assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert told.line.outputs["fingerprint"]["tables"] == {"raw": 1, "predictions": 1}


def test_what_had_nothing_to_do_has_nothing_to_do_again(told: Told) -> None:
    assert told.run("predict", models={"champion": None}) == 99
    first = told.line.outputs["reason"]
    past = told.past()
    assert told.run("predict", past, {"champion": None}) == 99
    assert told.line.outputs["reason"].startswith("unchanged: the same image and parameters as run older")
    assert told.line.outputs["reason"].endswith(f"which had nothing to do: {first}")
    assert told.line.outputs["reused"]["run_id"] == "older"


def test_a_job_that_has_to_run_says_why_and_leaves_what_it_rests_on(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told.run("ingest") == 0
    past = told.past()
    told.line.land(as_csv(demand_rows(level=20.0)))
    assert told.run("ingest", past) == 0
    assert "the job runs: run older of 2026-11-26 03:45 UTC rested on other landing" in capsys.readouterr().out
    assert told.line.outputs["status"] == "done"
    assert told.line.outputs["fingerprint"]["tables"] == {"raw": 2}
    assert told.line.outputs["fingerprint"]["table_ids"] == past["parts"]["table_ids"]
    assert "reused" not in told.line.outputs


def test_a_lake_that_does_not_say_is_no_reason_to_fail(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.unchanged.look", lambda inputs: 1 // 0)
    assert told.run("ingest") == 0
    assert "can't be told, so the job runs: integer division" in capsys.readouterr().out
    assert "fingerprint" not in told.line.outputs


def test_a_run_without_a_fingerprint_tells_none(told: Told) -> None:
    assert told.line.run("ingest") == 0
    assert "fingerprint" not in told.line.outputs


def test_a_hit_imports_nothing_heavy_and_takes_no_second(told: Told) -> None:
    assert told.run("ingest") == 0
    told.run("ingest", told.past())
    words = f"from jobs import contract; import sys; code = contract.main('ingest', sys.argv[1:]); {REPORT}"
    command = [sys.executable, "-c", words, "--inputs", str(told.line.folder / "in" / "inputs.json")]
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - began
    assert done.stdout.splitlines()[-1] == "0 []"
    assert "unchanged: the same" in done.stdout
    assert seconds < 1


REPORT = f"print(code, [name for name in {HEAVY!r} if name in sys.modules])"
