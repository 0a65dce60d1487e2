"""The workflow that docs/ci.md offers: its own lines, run as CI would run them, on a sample of the real data set."""

import os
import shutil
import sqlite3
import subprocess
from itertools import islice
from pathlib import Path

import pytest
import yaml
from demo_runs import NOWHERE, free_port
from test_bike_hour import CSV, YAML

from slipway import settings

WORKFLOW = yaml.safe_load((settings.ROOT / "docs" / "pipelines-ci.yml").read_text())
STEPS = WORKFLOW["jobs"]["pipelines"]["steps"]
SAMPLE_ROWS = 2000
pytestmark = pytest.mark.skipif(not CSV.is_file(), reason=f"the bike sharing data is not at {CSV}")


@pytest.fixture
def workspace(tmp_path):
    """What both checkouts leave; `make setup` has made the environment of this one already."""
    (tmp_path / "yours" / "pipelines").mkdir(parents=True)
    (tmp_path / "yours" / "samples").mkdir()
    shutil.copy(YAML, tmp_path / "yours" / "pipelines")
    with CSV.open() as rows, (tmp_path / "yours" / "samples" / CSV.name).open("w") as sample:
        sample.writelines(islice(rows, SAMPLE_ROWS + 1))
    return tmp_path


@pytest.fixture
def environment(workspace):
    asked = WORKFLOW["jobs"]["pipelines"]["env"]
    told = {name: value.replace("${{ github.workspace }}", str(workspace)) for name, value in asked.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    ours = {"SLIPWAY_STATE": str(workspace / "state"), "MLFLOW_PORT": free_port(), "DOCKER_HOST": NOWHERE}
    whole = {**kept, **told, **ours, "SLIPWAY_PROJECT": f"slipway-users-ci-{os.getpid()}"}
    yield whole
    subprocess.run([settings.ROOT / ".venv/bin/slipway", "stop", "--volumes"], env=whole, check=True)


def run(step, environment):
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=settings.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def states(folder, kind):
    """State by task of the DAG run that the workflow left in Airflow's database."""
    asked = "select task_id, state from task_instance where dag_id = ?"
    with sqlite3.connect(Path(folder) / "airflow" / "airflow.db") as database:
        return dict(database.execute(asked, [f"bike_hour.{kind}"]).fetchall())


def test_a_good_pipeline_passes_every_step(environment):
    names = [step["name"] for step in STEPS if "run" in step]
    assert len(names) == 4, names
    for step in (step for step in STEPS if "run" in step):
        done = run(step, environment)
        assert done.returncode == 0, f"{step['name']}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    ended = [states(environment["SLIPWAY_STATE"], kind) for kind in ("ingest", "train", "predict")]
    # A model of two months may lose against a baseline; then nothing is promoted, and nobody predicts.
    assert [sorted(one)[0] for one in ended[:2]] == ["ingest", "promote"]
    assert (ended[0]["ingest"], ended[1]["train"]) == ("success", "success")


def test_a_wrong_key_and_a_missing_column_stop_it(environment, workspace):
    pipeline = workspace / "yours" / "pipelines" / YAML.name
    check, land, dags = [step for step in STEPS if "run" in step][1:]
    pipeline.write_text(YAML.read_text().replace("features:", "feature:"))
    done = run(check, environment)
    assert done.returncode != 0
    assert "'feature'" in done.stdout + done.stderr
    by_airflow = run({"run": check["run"].splitlines()[1]}, environment)
    assert by_airflow.returncode == 64
    assert "did you mean 'features'?" in by_airflow.stdout + by_airflow.stderr
    pipeline.write_text(YAML.read_text().replace("  windspeed:", "  wind_speed:").replace("windspeed]", "wind_speed]"))
    assert run(check, environment).returncode == 0
    assert run(land, environment).returncode == 0
    done = run(dags, environment)
    assert done.returncode == 1
    assert "wind_speed" in done.stdout + done.stderr
