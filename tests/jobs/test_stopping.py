"""What MLflow and outputs.json say after a retry, a failure and a SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from line import Line, as_csv, demand_rows

ROOT = Path(__file__).parents[2]
SLOW = """
import ctypes, sys, time
from jobs.contract import main
from jobs.promote import promote

def slow(run):
    print("here", flush=True)
    {wait}

promote.rivals = slow
sys.exit(main("promote", sys.argv[1:]))
"""


def start(line: Line, code: str) -> subprocess.Popen[str]:
    path = line.folder / "in" / "inputs.json"
    path.parent.mkdir()
    path.write_text(json.dumps(line.inputs("promote", "first", 1, {}), default=str))
    return subprocess.Popen(
        [sys.executable, "-c", code, "--inputs", str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code = process.wait(10)
    assert process.stdout is not None
    process.stdout.close()
    assert time.monotonic() - began < 3
    return code


@pytest.mark.parametrize("wait", ["time.sleep(60)", "ctypes.CDLL(None).sleep(60)"], ids=["in Python", "in C"])
def test_a_job_past_its_deadline_ends_by_itself_and_says_so(
    line: Line, wait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_DEADLINE_SECONDS", "8")
    began = time.monotonic()
    process = start(line, SLOW.format(wait=wait))
    assert process.stdout is not None
    assert any(text == "here\n" for text in process.stdout)
    assert process.wait(15) == 124
    process.stdout.close()
    assert time.monotonic() - began >= 8
    outputs = json.loads((line.folder / "out" / "outputs.json").read_text())
    assert (outputs["status"], outputs["error"]["kind"], outputs["closed"]) == ("failed", "deadline", True)
    assert "has run for 8 s" in outputs["reason"]
    assert statuses(line) == ["FAILED", "FAILED"]


def statuses(line: Line) -> list[str]:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(line.name)
    assert found is not None
    return [run.info.status for run in client.search_runs([found.experiment_id])]


@pytest.mark.parametrize("wait", ["time.sleep(60)", "ctypes.CDLL(None).sleep(60)"], ids=["in Python", "in C"])
def test_a_stopped_job_leaves_no_running_run(line: Line, wait: str) -> None:
    process = start(line, SLOW.format(wait=wait))
    assert process.stdout is not None
    assert any(text == "here\n" for text in process.stdout)
    assert stop(process) == 143
    outputs = json.loads((line.folder / "out" / "outputs.json").read_text())
    assert (outputs["status"], outputs["reason"], outputs["closed"]) == ("failed", "stopped", True)
    assert statuses(line) == ["FAILED", "FAILED"]


def test_a_stopped_job_does_not_wait_for_an_mlflow_that_is_away(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        process = start(line, SLOW.format(wait="0"))
        silent.accept()[0].close()
        assert stop(process) == 143
    assert json.loads((line.folder / "out" / "outputs.json").read_text())["reason"] == "stopped"


def test_a_retry_that_succeeds_tells_nothing_of_the_failure_before(line: Line) -> None:
    assert line.run("ingest") == 65
    assert statuses(line) == ["FAILED", "FAILED"]
    line.land(as_csv(demand_rows(2)))
    line.image = {"version": "0.2.0", "id": "sha256:2"}
    assert line.run("ingest", attempt=2) == 0
    assert statuses(line) == ["FINISHED", "FINISHED"]
    tags = mlflow.MlflowClient().get_run(line.outputs["mlflow"]["run_id"]).data.tags
    assert "slipway.error" not in tags
    assert (tags["slipway.image"], tags["slipway.image_id"]) == ("model/0.2.0", "sha256:2")


def test_no_secret_stands_in_outputs_or_log_and_only_listed_ones_in_the_environment(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    (line.folder / "secrets").mkdir()
    for name in ("MLFLOW_TRACKING_PASSWORD", "OTHER_TOKEN"):
        (line.folder / "secrets" / name).write_text(f"hush-{name}\n")

    def fail(run: object) -> None:
        raise RuntimeError("hush-OTHER_TOKEN and hush-MLFLOW_TRACKING_PASSWORD")

    monkeypatch.setattr("jobs.promote.promote.rivals", fail)
    assert line.run("promote") == 1
    assert line.message == "*** and ***"
    assert "hush-" not in capsys.readouterr().out + json.dumps(line.outputs)
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "hush-MLFLOW_TRACKING_PASSWORD"
    assert "OTHER_TOKEN" not in os.environ
