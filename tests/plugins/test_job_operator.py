"""The operator without an engine, with a job that ends in the way that it is asked to."""

import json
import shutil

import pytest
from probe_runs import FOLDER, Instance, context, probe_task, run_probe

from slipway import contracts

CANARY = "canary-7f3a'\"%s"


@pytest.fixture
def probe(monkeypatch, airflow_db, tmp_path):
    """The probe as a process of this environment, with its Variables."""
    monkeypatch.setenv("SLIPWAY_JOBS", str(FOLDER / "jobs"))
    (tmp_path / "images.lock").write_text('data: {version: 0.1.0, lock: "sha256:aa", digest: null}\n')
    monkeypatch.setenv("SLIPWAY_IMAGES", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "process")
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"GREETING": "hello", "NOT_ALLOWED": "x"}))
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_SECRETS", json.dumps({"PROBE_KEY": CANARY, "OTHER_KEY": "y"}))
    return run_probe


def test_a_job_gets_its_parameters_and_the_identity_of_its_try(probe):
    result, _, _ = probe("done")
    inputs = result["seen"]["inputs"]
    assert inputs["parameters"] == {"columns": {}, "ends": "done", "start": None}
    assert (inputs["run"]["run_id"], inputs["run"]["try_number"]) == ("manual__1", 2)


def test_a_job_sees_only_the_names_that_its_contract_allows(probe):
    result, _, _ = probe("done")
    environment = result["seen"]["environment"]
    assert environment["GREETING"] == "hello"
    assert [name for name in environment if name.startswith(("AIRFLOW", "NOT_ALLOWED", "OTHER", "PROBE"))] == []


def test_secrets_come_as_files_and_are_blanked_in_the_log(probe):
    result, _, lines = probe("done")
    assert result["seen"]["secrets"] == ["PROBE_KEY"]
    assert lines[0] == "probe runs done ***"
    assert CANARY not in json.dumps(result)


def test_nothing_to_do_is_skipped_and_leaves_its_reason(probe):
    error, pushed, _ = probe("nothing to do")
    assert type(error).__name__ == "NothingToDo"
    assert pushed["outputs"]["reason"] == "asked to"


@pytest.mark.parametrize("ends", ["without outputs", "unclosed"])
def test_a_job_without_a_closed_result_fails(probe, ends):
    error, _, _ = probe(ends)
    assert type(error).__name__ == "ContractBrokenError"
    assert "the contract is broken" in str(error)


def test_bad_data_is_never_retried(probe):
    error, _, _ = probe("bad data")
    assert type(error).__name__ == "BadDataError"
    assert str(error) == "probe: bad data: no column 'x' in f.csv"


def test_a_variable_that_is_no_json_is_named_without_its_text(probe, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_SECRETS", "{not json " + CANARY)
    error, _, _ = probe("done")
    assert "Airflow Variable slipway_secrets is not a JSON object" in str(error)
    assert CANARY not in repr(error)


def test_docker_without_an_engine_is_refused(probe, monkeypatch):
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    error, _, _ = probe("done")
    assert str(error).startswith("no Docker engine answers at unix:///nowhere/docker.sock: start it")


def test_a_task_never_leaves_its_container_because_an_engine_is_away(probe, monkeypatch):
    monkeypatch.delenv("SLIPWAY_RUNTIME")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    error, _, _ = probe("done")
    assert type(error).__name__ == "ServiceAwayError"


def test_a_process_says_which_code_it_ran(probe):
    result, _, _ = probe("done")
    assert result["seen"]["inputs"]["image"]["revision"].startswith("files-")


def test_a_secret_in_outputs_json_is_blanked(probe, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"GREETING": CANARY}))
    result, _, _ = probe("done")
    assert result["seen"]["environment"]["GREETING"] == "***"


def test_the_button_is_there_and_the_forms_limits_hold_before_the_job_begins(probe):
    task, instance = probe_task(), Instance()
    asked = {"memory_mib": 96, "cpus": None, "timeout_seconds": 30}
    task.pre_execute({**context("done", instance), "params": asked})
    assert instance.pushed == {"_link_MlflowRunLink": "/slipway/mlflow/probe.probe/manual__1/probe/-1"}
    assert (task.limits.memory_bytes, task.limits.cpus) == (96 * 2**20, 1.0)
    assert task.execution_timeout.total_seconds() == task.limits.timeout_seconds == 30


def test_an_empty_form_leaves_the_limits_of_the_pipeline(probe):
    task = probe_task(limits={"timeout_seconds": 5})
    task.pre_execute(context("done", Instance()))
    assert (task.limits.memory_bytes, task.execution_timeout.total_seconds()) == (contracts.bytes_of("64m"), 5)


def test_a_task_is_named_and_limited_by_its_contract(probe):
    task = probe_task(limits={"timeout_seconds": 5})
    assert (task.task_id, task.execution_timeout.total_seconds()) == ("probe", 5)
    assert task.limits.memory_bytes == contracts.bytes_of("64m")


def test_a_process_without_the_jobs_code_is_refused(probe, monkeypatch, tmp_path):
    monkeypatch.setenv("SLIPWAY_JOBS", str(tmp_path / "jobs"))
    (tmp_path / "jobs" / "probe").mkdir(parents=True)
    shutil.copy(FOLDER / "jobs" / "probe" / "job.yaml", tmp_path / "jobs" / "probe")
    error, _, _ = probe("done")
    assert type(error).__name__ == "JobRefusedError"
    assert "holds no code: a bundle needs docker" in str(error)


def test_a_pipeline_may_name_its_own_variable_of_secrets(probe, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_NORTH_SECRETS", json.dumps({"PROBE_KEY": "canary-north"}))
    task = probe_task()
    task.pipeline.keys["secrets_variable"] = "north_secrets"
    assert task.execute(context("done", Instance()))["seen"]["secrets"] == ["PROBE_KEY"]
    assert task.process is not None
    assert dict(task.request(context("done", Instance()), {}).secrets) == {"PROBE_KEY": "canary-north"}
