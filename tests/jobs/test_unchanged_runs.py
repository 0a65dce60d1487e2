"""Jobs that are told of an older result: what they leave when it stands, and what is not even imported to tell."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from line import CODE, OLDER, Line, as_csv, demand_rows

from jobs import contract

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("mlflow", "pandas", "sklearn", "duckdb", "pyarrow", "pydantic", "boto3", "numpy")
REPORT = f"print(code, [name for name in {HEAVY!r} if name in sys.modules])"


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
        return {"run_id": "older", "parts": outputs["fingerprint"], "outputs": outputs, "reused": OLDER | skipped}


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
        assert (new["status"], new["reused"], new["closed"]) == ("unchanged", OLDER, True)
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


def test_a_hit_imports_nothing_heavy(told: Told) -> None:
    assert told.run("ingest") == 0
    told.run("ingest", told.past())
    words = f"from jobs import contract; import sys; code = contract.main('ingest', sys.argv[1:]); {REPORT}"
    command = [sys.executable, "-c", words, "--inputs", str(told.line.folder / "in" / "inputs.json")]
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert "unchanged: the same" in done.stdout
