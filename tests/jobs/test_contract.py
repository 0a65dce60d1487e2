"""The contract: exit codes, outputs.json with its closing mark, secrets, job.yaml."""

import json
import os
import shutil
from pathlib import Path

import pytest
from line import Line, as_csv, demand_rows

from jobs import contract, schemas


def test_an_unknown_parameter_is_a_usage_error(line: Line) -> None:
    assert line.run("promote", colour="red") == 64
    assert line.message.endswith("colour: Extra inputs are not permitted")
    assert line.outputs["mlflow"] is None


def test_inputs_for_another_job_are_a_usage_error(line: Line) -> None:
    line.run("promote")
    assert contract.main("train", ["--inputs", str(line.folder / "in" / "inputs.json")]) == 64


def test_inputs_that_are_not_there_are_a_usage_error_with_outputs(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    assert contract.main("train", ["--inputs", str(tmp_path / "none.json"), "--outputs", str(outputs)]) == 64
    assert json.loads(outputs.read_text())["status"] == "failed"


def test_an_mlflow_that_is_away_is_told_in_one_line(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert line.run("promote") == 69
    assert line.outputs["error"]["kind"] == "service_away"
    assert line.message.startswith("MLflow did not answer")
    assert "Traceback" not in capsys.readouterr().out


def test_outputs_end_with_the_closing_mark_and_hold_receipts(trained: Line) -> None:
    assert list(trained.outputs)[-1] == "closed"
    assert trained.outputs["receipts"]["seconds"] > 0
    assert trained.outputs["receipts"]["peak_memory_bytes"] > 50_000_000
    assert sorted(path.name for path in (trained.folder / "out").iterdir()) == ["outputs.json"]


def test_what_nobody_foresaw_ends_with_one_and_a_traceback(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.promote.promote.rivals", lambda run: 1 // 0)
    assert line.run("promote") == 1
    assert line.outputs["error"] == {
        "kind": "error",
        "type": "ZeroDivisionError",
        "message": "integer division or modulo by zero",
    }
    assert "Traceback" in capsys.readouterr().out


def test_secrets_beside_the_inputs_reach_the_libraries_and_no_log(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    (line.folder / "secrets").mkdir()
    (line.folder / "secrets" / "AWS_SECRET_ACCESS_KEY").write_text("hush-hush\n")
    line.run("promote")
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "hush-hush"
    assert "hush-hush" not in capsys.readouterr().out + json.dumps(line.outputs)


def test_an_older_try_that_wakes_up_late_may_not_write(line: Line) -> None:
    line.land(as_csv(demand_rows(2)))
    assert line.run("ingest", attempt=2) == 0
    line.land(as_csv(demand_rows(2, level=20.0)))
    assert line.run("ingest", attempt=1) == 75
    assert line.outputs["error"]["type"] == "StaleWriterError"
    assert min(row["demand"] for row in line.rows("raw")) == 10.0


def test_each_job_yaml_says_what_its_model_says() -> None:
    found = [path.parent.name for path in schemas.job_files()]
    assert found == sorted(path.parent.name for path in schemas.JOBS.glob("*/parameters.py"))
    assert {"ingest", "predict", "promote", "train"} <= set(found)
    assert schemas.differing() == []


def test_a_job_yaml_that_differs_from_its_model_is_named(tmp_path: Path) -> None:
    shutil.copytree(schemas.JOBS / "promote", tmp_path / "promote")
    path = tmp_path / "promote" / "job.yaml"
    path.write_text(path.read_text().replace("minimum: 0", "minimum: 1"))
    assert schemas.differing(tmp_path) == [path]


def test_one_name_has_one_definition_over_all_jobs() -> None:
    import yaml

    seen: dict[str, object] = {}
    for path in schemas.job_files():
        for name, definition in yaml.safe_load(path.read_text())["parameters"]["properties"].items():
            assert seen.setdefault(name, definition) == definition, f"{name} differs in {path}"
    assert {"source", "metric", "key", "force", "start"} <= seen.keys()


def test_a_store_that_refuses_the_secrets_is_a_usage_error() -> None:
    from botocore.exceptions import ClientError

    from jobs.services import as_job_error

    refused = as_job_error(ClientError({"Error": {"Code": "SignatureDoesNotMatch"}}, "ListObjectsV2"))
    assert refused is not None
    assert (refused.exit_code, str(refused)[:28]) == (64, "the lake's store refuses us;")
