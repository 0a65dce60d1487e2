"""The `slipway` command as people and the Makefile meet it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import cli, ports, settings
from slipway.embedded import airflow_home, demo, deployment, report
from slipway.errors import DemoFailedError, LandingError

WORDS = [
    *[
        "airflow",
        "backup",
        "bundle",
        "check",
        "demo",
        "doctor",
        "down",
        "explain",
        "inputs",
        "land",
        "mlflow",
        "reap",
        "release",
        "replay",
        "restore",
    ],
    *["stop", "up", "upgrade"],
]
COMMAND = Path(sys.executable).with_name("slipway")
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def slipway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_help_names_each_word():
    (words,) = [action for action in cli.parser()._actions if action.dest == "word"]
    assert sorted(words.choices) == WORDS
    done = slipway("--help")
    assert done.returncode == 0
    assert [word for word in WORDS if f"    {word} " not in done.stdout] == []


def test_help_and_landing_load_neither_airflow_nor_mlflow():
    program = (
        "import sys; from slipway import cli; from slipway.embedded import landing, deployment\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'airflow', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_fault_is_one_line_and_its_exit_code():
    done = slipway("land", "absent.csv")
    assert (done.returncode, done.stdout) == (LandingError.exit_code, "")
    assert done.stderr.startswith("slipway: no file absent.csv here")
    assert len(done.stderr.splitlines()) == 1


def test_docker_without_an_engine_is_refused_at_once():
    done = slipway("demo", SLIPWAY_RUNTIME="docker", **NO_ENGINE)
    assert done.returncode == 69
    assert done.stderr.startswith("slipway: no Docker engine answers at unix:///nonexistent/docker.sock")


def test_without_an_engine_the_runtime_is_process_and_the_reason_is_told(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE["DOCKER_HOST"])
    monkeypatch.delenv("SLIPWAY_RUNTIME", raising=False)
    deployed = settings.read()
    assert deployment.runtime(deployed) == "process"
    said = deployment.described("process", deployed)
    assert said == "runtime: process, because no Docker engine answers at unix:///nonexistent/docker.sock"


def test_stop_twice_is_fine(tmp_path):
    for _ in range(2):
        done = slipway("stop", "--volumes", SLIPWAY_STATE=str(tmp_path), SLIPWAY_PROJECT="slipway-test-none")
        assert (done.returncode, done.stdout) == (0, "nothing of slipway-test-none was there to remove\n")


def test_an_unknown_pipeline_ends_the_demo_before_anything_is_started(tmp_path):
    done = slipway("demo", "no_such", SLIPWAY_STATE=str(tmp_path), SLIPWAY_RUNTIME="process")
    assert done.returncode == 64
    assert done.stderr.startswith("slipway: no pipeline 'no_such' in ")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_dag_ends_the_demo_with_what_its_task_said():
    task = {"state": "failed", "error": "train: bad data: no rows in raw@v12: has ingest run?"}
    ended = [
        {"kind": "ingest", "state": "success", "tasks": [], "error": None},
        {"kind": "train", "state": "failed", "tasks": [task], "error": None},
    ]
    with pytest.raises(DemoFailedError, match=r"(?s)no rows in raw@v12: has ingest run\?.*log: .*demo-train.log"):
        demo.check(ended, settings.read())


def test_jobs_are_told_the_addresses_of_their_own_runtime(monkeypatch):
    monkeypatch.setenv("MLFLOW_PORT", "5051")
    deployed = settings.read()
    assert deployment.job_environment("docker", deployed) == {
        "LAKE_URI": "/lake",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "MLFLOW_PUBLIC_URL": "http://127.0.0.1:5051",
    }
    assert deployment.job_environment("process", deployed) == {
        "LAKE_URI": str(deployed.state / "lake"),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:5051",
        "MLFLOW_PUBLIC_URL": "http://127.0.0.1:5051",
    }


def test_a_variable_of_the_users_own_stays_but_not_their_database(monkeypatch):
    monkeypatch.setenv(airflow_home.VARIABLE, '{"LAKE_URI": "/mine"}')
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://production/airflow")
    deployed = settings.read()
    given = airflow_home.airflow_environment("process", deployed)
    assert json.loads(given[airflow_home.VARIABLE]) == {"LAKE_URI": "/mine"}
    assert given["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{deployed.state}/airflow/airflow.db"
    assert given["SLIPWAY_RUNTIME"] == "process"


def test_landing_in_a_lake_on_s3_is_refused_with_the_place_to_copy_to(tmp_path):
    (tmp_path / "one.csv").write_text("a\n1\n")
    told = json.dumps({"LAKE_URI": "s3://lake/prod"})
    done = slipway("land", str(tmp_path / "one.csv"), SLIPWAY_STATE=str(tmp_path / "s"), AIRFLOW_VAR_SLIPWAY_ENV=told)
    assert (done.returncode, done.stdout) == (LandingError.exit_code, "")
    assert done.stderr.endswith("copy the file to s3://lake/prod/landing/ with your S3 tool\n")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "s").exists()


def test_help_of_land_and_inputs_says_which_lake_and_where_to_copy_a_run_from():
    said = " ".join(slipway("land", "--help").stdout.split())
    assert "of the stack (default while it runs) --embedded of `make demo` (default otherwise)" in said
    assert "page in MLflow" in " ".join(slipway("inputs", "--help").stdout.split())


@pytest.fixture
def broken_beside(tmp_path) -> str:
    """A folder with one pipeline of which nothing can be made, named like no other."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "halfway.yaml").write_text("version: 1\ndescription: [\n")
    return str(tmp_path / "pipelines")


def test_check_names_a_broken_pipeline_and_fails(broken_beside):
    assert slipway("check").returncode == 0
    done = slipway("check", SLIPWAY_PIPELINES=broken_beside)
    assert done.returncode == 64
    assert f"{broken_beside}/halfway.yaml:" in done.stdout + done.stderr


def test_a_demo_beside_a_broken_pipeline_ends_with_its_fault(broken_beside, tmp_path, monkeypatch, capsys):
    ended = [{"kind": kind, "state": "success", "tasks": [], "error": None} for kind in demo.KINDS]
    monkeypatch.setattr(demo, "followed", lambda *given: ended)
    monkeypatch.setattr(cli.signal, "signal", lambda *given: None)
    monkeypatch.setattr(report, "lines", lambda *given: ["report"])
    for name, value in {"STATE": str(tmp_path / "s"), "PIPELINES": broken_beside, "RUNTIME": "process"}.items():
        monkeypatch.setenv(f"SLIPWAY_{name}", value)
    assert cli.main(["demo", "breast_cancer"]) == 64
    said = capsys.readouterr()
    assert "report\n" in said.out
    assert said.err.startswith(f"slipway: {broken_beside}/halfway.yaml:")


def test_a_taken_port_is_one_line_through_the_command(tmp_path):
    with socket.socket() as stranger:
        stranger.bind((ports.LOOPBACK, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        given = {"SLIPWAY_STATE": str(tmp_path), "SLIPWAY_RUNTIME": "process", "MLFLOW_PORT": str(port)}
        done = slipway("mlflow", **given, **NO_ENGINE)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith(f"slipway: port {port} is taken by another program: set MLFLOW_PORT")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.containers
def test_an_image_that_was_not_built_is_one_line_through_the_command(tmp_path):
    shutil.copy(settings.ROOT / "images" / "images.lock", tmp_path)
    given = {"SLIPWAY_STATE": str(tmp_path), "SLIPWAY_IMAGES": str(tmp_path), "SLIPWAY_RUNTIME": "docker"}
    done = slipway("mlflow", **given)
    assert (done.returncode, done.stdout) == (69, "")
    assert re.fullmatch(r"slipway: image mlflow .* was not built here: run `make images`\n", done.stderr)


@pytest.mark.containers
def test_what_the_engine_refuses_is_one_line_through_the_command(tmp_path, job_images):
    given = {"SLIPWAY_STATE": str(tmp_path), "SLIPWAY_RUNTIME": "docker", "SLIPWAY_LAKE_VOLUME": "not a name"}
    done = slipway("mlflow", **given)
    slipway("stop", "--volumes", **given)
    assert (done.returncode, len(done.stderr.splitlines())) == (69, 1)
    assert done.stderr.startswith("slipway: the Docker engine refused: ")
