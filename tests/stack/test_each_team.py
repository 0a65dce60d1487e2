"""Two teams on one stack: folders, Variables and pools of their own, and neither sees what is the other's."""

import json

import pytest
from stack.checkout import TEAMS, docker, wait_for
from stack.test_stack import objects

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def told(stack):
    """The environment of a team's jobs as the engine shows it, and the task instance, by team."""
    airflow, secrets = stack.airflow, stack.secrets
    for team in TEAMS:
        tell(airflow, f"{team}_env", LAKE_URI=f"s3://slipway/{team}", MLFLOW_TRACKING_URI="http://mlflow:5000",
             AWS_ENDPOINT_URL="http://store:9000", AWS_REGION="us-east-1")  # fmt: skip
        tell(airflow, f"{team}_secrets", AWS_ACCESS_KEY_ID=secrets["S3_ACCESS_KEY"],
             AWS_SECRET_ACCESS_KEY=secrets["S3_SECRET_KEY"], MLFLOW_TRACKING_USERNAME="jobs",
             MLFLOW_TRACKING_PASSWORD=secrets["MLFLOW_JOBS_PASSWORD"])  # fmt: skip
        made = airflow.post("/pools", json={"name": team, "slots": 1, "description": f"slots of team {team}"})
        assert made.status_code == 201, made.text
    return {team: ingested(stack, airflow, team) for team in TEAMS}


def tell(airflow, name, **values):
    answer = airflow.post("/variables", json={"key": name, "value": json.dumps(values)})
    assert answer.status_code == 201, answer.text


def ingested(stack, airflow, team):
    dag = f"/dags/{team}_tumours.ingest"
    wait_for(lambda: airflow.get(dag).status_code == 200, 90)
    airflow.patch(dag, json={"is_paused": False}).raise_for_status()
    run = airflow.post(f"{dag}/dagRuns", json={"logical_date": None, "conf": {}}).json()["dag_run_id"]
    seen = []

    def look():
        running = docker("ps", "--quiet", "--filter", f"label=slipway.dag_id={team}_tumours.ingest").split()
        seen.extend(docker("inspect", "--format", "{{json .Config.Env}}", one, check=False) for one in running)
        return airflow.get(f"{dag}/dagRuns/{run}").json()["state"] in ("success", "failed")

    wait_for(look, 180)
    (task,) = airflow.get(f"{dag}/dagRuns/{run}/taskInstances").json()["task_instances"]
    return "".join(seen), task


def test_each_team_writes_to_its_own_lake_in_its_own_pool(stack, told):
    assert {team: (task["state"], task["pool"]) for team, (_, task) in told.items()} == {
        team: ("success", team) for team in TEAMS
    }
    keys = objects(stack)
    for team in TEAMS:
        assert {key.split("/")[1] for key in keys if key.startswith(f"{team}/")} == {f"{team}_tumours"}


def test_no_job_is_told_of_the_other_team(told):
    for team, other in (TEAMS, TEAMS[::-1]):
        environment = told[team][0]
        assert f"LAKE_URI=s3://slipway/{team}" in environment
        assert other not in environment
        assert "s3://slipway/lake" not in environment
