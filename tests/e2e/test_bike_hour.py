"""The real data set, landed as a file and run through a YAML that stands outside `dags/`."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from demo_runs import NOWHERE, Deployment, counts, errors, first_run

from slipway import engine, settings
from slipway.errors import EngineAwayError

YAML = settings.ROOT / "tests" / "fixtures" / "bike_hour.yaml"
CSV = Path(os.environ.get("SLIPWAY_BIKE_CSV") or settings.ROOT.parent / "shared" / "data" / "bike_hour.csv")
pytestmark = pytest.mark.skipif(not CSV.is_file(), reason=f"the bike sharing data is not at {CSV}")


def engine_options():
    """Containers where an engine answers, else processes."""
    try:
        engine.connect(timeout_seconds=5).close()
    except EngineAwayError:
        return {"DOCKER_HOST": NOWHERE}
    return {"SLIPWAY_RUNTIME": "docker"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, request):
    options = engine_options()
    if "SLIPWAY_RUNTIME" in options:
        request.getfixturevalue("job_images")
    folder = tmp_path_factory.mktemp("pipelines")
    shutil.copy(YAML, folder)
    deployment = Deployment(tmp_path_factory.mktemp("bike"), "bike", SLIPWAY_PIPELINES=str(folder), **options)
    landed = deployment.slipway("land", str(CSV))
    assert landed.returncode == 0, landed.stderr
    yield deployment
    deployment.down()


@pytest.fixture(scope="module")
def demo(deployment):
    return deployment.demo("bike_hour")


def test_every_row_and_day_of_the_file_is_ingested(demo):
    told = counts(demo)
    assert (told["ingest.rows"], told["ingest.days"]) == (17379, 731)


def test_the_champion_is_within_45_on_the_last_147_days(demo):
    told = errors(demo, "mean_absolute_error")
    assert min(told.values()) <= 45
    assert (told["mean"], told["hour_of_week"]) == (pytest.approx(175.0, abs=0.1), pytest.approx(101.3, abs=0.1))
    assert counts(demo)["predict.days"] == 147


def test_no_feature_leaks_the_target():
    keys = yaml.safe_load(YAML.read_text())
    assert "hr" in keys["features"]
    assert {"casual", "registered", "instant", "cnt"} & set(keys["features"]) == set()


def test_a_replay_of_the_ingest_tells_a_file_that_changed_since(deployment, demo, tmp_path):
    run = first_run(deployment, "ingest", "bike_hour")
    done = deployment.slipway("replay", run)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / CSV.name).write_text("".join(CSV.read_text().splitlines(keepends=True)[:-1]))
    assert deployment.slipway("land", str(tmp_path / CSV.name)).returncode == 0
    done = deployment.slipway("replay", run)
    assert done.returncode == 1, done.stdout + done.stderr
    differing = [line.split("|")[0].strip() for line in done.stdout.splitlines() if line.endswith("| NO")]
    assert differing == ["files in landing", "raw, content", "count rows"]
    assert f"landing: {CSV.name} changed since then" in done.stdout.splitlines()
