"""Two teams in one Airflow: folders, Variables and pools of their own."""

import json

import pytest
import small_images
from probe_runs import FOLDER

from slipway import engine, pipelines, settings

pytestmark = pytest.mark.containers
TEAMS = ("north", "south")
DAGS = """
from airflow.sdk import DAG
from slipway import pipelines, settings
from slipway.job_operator import JobOperator
from slipway.dag_factory import task_defaults

for pipeline in pipelines.load_all(settings.read()):
    if pipeline.name in {teams!r}:
        with DAG(f"{{pipeline.name}}.probe", schedule=None, default_args=task_defaults(pipeline.keys),
                 params={{"ends": "done", "start": None}}):
            JobOperator(job="probe", pipeline=pipeline)
"""


@pytest.fixture(scope="module")
def client():
    with engine.connect() as client:
        yield client


@pytest.fixture
def teams(client, job_images, tmp_path, monkeypatch, airflow_db):
    """Each team's folder with a pipeline, its two Variables and its pool; one engine, one image."""
    image = small_images.build(client, "teams")
    (tmp_path / "images.lock").write_text(small_images.LOCK)
    (tmp_path / "images.local.json").write_text(json.dumps({"data": image}))
    for team in TEAMS:
        folder = tmp_path / team
        folder.mkdir()
        keys = {"env_variable": f"{team}_env", "secrets_variable": f"{team}_secrets", "pool": team, "queue": team}
        (folder / f"{team}.yaml").write_text(json.dumps({"version": 1, "columns": {}, **keys}))
        monkeypatch.setenv(f"AIRFLOW_VAR_{team.upper()}_ENV", json.dumps({"GREETING": f"hello {team}"}))
        monkeypatch.setenv(f"AIRFLOW_VAR_{team.upper()}_SECRETS", json.dumps({"PROBE_KEY": f"canary-{team}-5d1e"}))
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"GREETING": "hello nobody"}))
    monkeypatch.setenv("SLIPWAY_PIPELINES", ":".join(str(tmp_path / team) for team in TEAMS))
    monkeypatch.setenv("SLIPWAY_JOBS", str(FOLDER / "jobs"))
    monkeypatch.setenv("SLIPWAY_IMAGES", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    network = client.create_network(settings.read().network)["Id"]
    yield tmp_path
    client.remove_network(network)
    small_images.remove(client, image)


@pytest.fixture
def dags(teams):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.pool import Pool

    for team in TEAMS:
        Pool.create_or_update_pool(team, slots=1, description="", include_deferred=False)
    file = teams / "probes.py"
    file.write_text(DAGS.format(teams=TEAMS))
    bag = DagBag(file)
    assert bag.import_errors == {}
    return bag.dags


def test_each_team_sees_its_own_environment_and_secrets_alone(dags):
    for team, other in (TEAMS, TEAMS[::-1]):
        task = dags[f"{team}.probe"].task_dict["probe"]
        assert (task.pool, task.queue) == (team, team)
        seen = ran(task)
        assert seen["environment"]["GREETING"] == f"hello {team}"
        assert seen["secrets"] == ["PROBE_KEY"]
        told = json.dumps(seen) + "".join(task.lines)
        assert "probe runs done ***" in task.lines
        assert f"canary-{other}" not in told
        assert f"hello {other}" not in told


def ran(task):
    from probe_runs import Instance, context

    task.lines = []
    task.log_line = task.lines.append
    return task.execute(context("done", Instance()))["seen"]


def test_the_secret_that_a_team_sees_is_its_own(teams):
    from slipway import contracts, job_inputs

    contract = contracts.of("probe", FOLDER / "jobs")
    held = {team: job_inputs.secrets(contract, f"{team}_secrets")["PROBE_KEY"] for team in TEAMS}
    assert held == {"north": "canary-north-5d1e", "south": "canary-south-5d1e"}


def test_a_second_folder_with_the_name_of_a_first_ones_pipeline_takes_nothing_away(teams):
    (teams / "south" / "north.yaml").write_text((teams / "south" / "south.yaml").read_text())
    found = {found.name: getattr(found, "error", None) for found in pipelines.load_all(settings.read())}
    assert [name for name in ("north", "south") if found[name]] == []
    first, second = teams / "north" / "north.yaml", teams / "south" / "north.yaml"
    assert str(found["north-2"]) == f"{second}:1: there is a pipeline 'north' already, in {first}: rename this file"


def test_a_folder_that_is_named_twice_is_read_once(teams, monkeypatch):
    monkeypatch.setenv("SLIPWAY_PIPELINES", f"{teams / 'north'}:{teams / 'south'}:{teams}/./north")
    names = [found.name for found in pipelines.load_all(settings.read())]
    assert sorted(names) == sorted(set(names))
    assert [name for name in names if name.startswith("north")] == ["north"]
