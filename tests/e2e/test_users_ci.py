"""The workflow that docs/ci.md offers: its own lines, run as CI would run them, on a sample of the real data set."""

import os
import shutil
import subprocess
from itertools import islice

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
    yield {**kept, **told, **ours, "SLIPWAY_PROJECT": f"slipway-users-ci-{os.getpid()}"}
    subprocess.run([settings.ROOT / ".venv/bin/slipway", "stop", "--volumes"], env={**kept, **told, **ours}, check=True)


def run(step, environment):
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=settings.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_good_pipeline_passes_every_step(environment):
    names = [step["name"] for step in STEPS if "run" in step]
    assert len(names) == 4, names
    for step in (step for step in STEPS if "run" in step):
        done = run(step, environment)
        assert done.returncode == 0, f"{step['name']}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert done.stdout.count("DagRun Finished") == 3 or "bike_hour.predict" in done.stdout + done.stderr


def test_a_wrong_key_and_a_missing_column_stop_it(environment, workspace):
    pipeline = workspace / "yours" / "pipelines" / YAML.name
    check, land, dags = [step for step in STEPS if "run" in step][1:]
    pipeline.write_text(YAML.read_text().replace("features:", "feature:"))
    done = run(check, environment)
    assert done.returncode != 0
    assert "feature" in done.stdout + done.stderr
    pipeline.write_text(YAML.read_text().replace("  windspeed:", "  wind_speed:").replace("windspeed]", "wind_speed]"))
    assert run(check, environment).returncode == 0
    assert run(land, environment).returncode == 0
    done = run(dags, environment)
    assert done.returncode == 1
    assert "wind_speed" in done.stdout + done.stderr
