"""One Airflow with a scheduler: DAGs triggered over REST with form values, the asset chain running by itself."""

import json
import os
import re
from pathlib import Path

import pytest
from standalone import started, wait_for

pytestmark = pytest.mark.containers
CANARY = "canary-standalone-51c9"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, job_images):
    """A client of a standalone Airflow's REST API, whose jobs are given a secret."""
    secret = json.dumps({"AWS_SECRET_ACCESS_KEY": CANARY})
    state = tmp_path_factory.mktemp("standalone")
    with started(state, f"slipway-alone-{os.getpid()}", AIRFLOW_VAR_SLIPWAY_SECRETS=secret) as site:
        yield site.airflow


def ended_runs(airflow, dag_id, count):
    """The DAG's runs once there are as many, and all have ended."""

    def look():
        runs = airflow.get(f"/dags/{dag_id}/dagRuns").json()["dag_runs"]
        return runs if len(runs) >= count and all(run["state"] in ("success", "failed") for run in runs) else None

    return wait_for(look, 240)


def states(airflow, run):
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
    return {one["task_id"]: one["state"] for one in airflow.get(path).json()["task_instances"]}


def outputs(airflow, run, task):
    """What the task left: its result, or what it left when it had nothing to do."""
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/xcomEntries"
    keys = {entry["key"] for entry in airflow.get(path).json()["xcom_entries"]}
    key = "outputs" if "outputs" in keys else "return_value"
    return airflow.get(f"{path}/{key}").json()["value"]


def test_new_data_trains_promotes_and_predicts_by_itself(airflow):
    for kind in ("ingest", "train", "predict"):
        dag = f"/dags/bike_demand.{kind}"
        wait_for(lambda dag=dag: airflow.get(dag).status_code == 200, 60)
        assert airflow.patch(dag, json={"is_paused": False}).status_code == 200
    form = {"start": "2024-01-01", "end": "2024-06-30"}
    asked = airflow.post("/dags/bike_demand.ingest/dagRuns", json={"logical_date": None, "conf": form})
    assert asked.status_code == 200, asked.text
    # The schedule's first run may have been there before ours; either way ours was asked for 182 days.
    runs = ended_runs(airflow, "bike_demand.ingest", 2)
    by_hand = next(run for run in runs if run["run_type"] == "manual")
    assert outputs(airflow, by_hand, "ingest")["counts"]["days"] == 182
    assert "success" in {states(airflow, run)["ingest"] for run in runs}
    train = ended_runs(airflow, "bike_demand.train", 1)[0]
    assert (train["run_type"], states(airflow, train)) == (
        "asset_triggered",
        {"train": "success", "promote": "success"},
    )
    wait_for(lambda: "success" in predicted(airflow), 240)


def predicted(airflow):
    runs = airflow.get("/dags/bike_demand.predict/dagRuns").json()["dag_runs"]
    return {states(airflow, run)["predict"] for run in runs if run["state"] == "success"}


@pytest.mark.parametrize("kind", ["train", "predict"])
def test_each_dag_takes_form_values_over_rest(airflow, kind):
    asked = airflow.post(
        f"/dags/bike_demand.{kind}/dagRuns", json={"logical_date": None, "conf": {"force": True}}
    ).json()
    path = f"/dags/bike_demand.{kind}/dagRuns/{asked['dag_run_id']}"
    run = wait_for(lambda: ended(airflow.get(path).json()), 240)
    assert states(airflow, run)[kind] == "success"


def ended(run):
    return run if run["state"] in ("success", "failed") else None


def test_a_form_value_of_the_wrong_type_is_refused(airflow):
    asked = airflow.post("/dags/bike_demand.train/dagRuns", json={"logical_date": None, "conf": {"force": "perhaps"}})
    assert (asked.status_code, "force" in asked.text) == (400, True)


def tasks(airflow):
    """Task instances of all DAGs; the reaper alone runs every minute, and makes no MLflow run."""
    found = airflow.get("/dags/~/dagRuns/~/taskInstances", params={"limit": 100}).json()["task_instances"]
    return [one for one in found if one["dag_id"] != "slipway.reap"]


def test_each_task_has_a_button_that_leads_to_its_mlflow_run(airflow):
    instances = tasks(airflow)
    assert len(instances) >= 4
    for one in instances:
        path = f"/dags/{one['dag_id']}/dagRuns/{one['dag_run_id']}/taskInstances/{one['task_id']}/links"
        button = airflow.get(path).json()["extra_links"]["MLflow run"]
        assert re.search(
            r"/#/experiments/\d+/runs/\w{32}$", airflow.get(button_address(airflow, button)).headers["location"]
        )


def button_address(airflow, button):
    """The button's address has no host, as it is opened from a page of Airflow's."""
    return airflow.base_url.join(button)


def test_no_log_field_or_xcom_of_the_chain_holds_the_secret(airflow):
    instances = tasks(airflow)
    assert len(instances) >= 6
    for one in instances:
        path = f"/dags/{one['dag_id']}/dagRuns/{one['dag_run_id']}/taskInstances/{one['task_id']}"
        log = airflow.get(f"{path}/logs/{max(one['try_number'], 1)}", headers={"Accept": "application/json"}).text
        xcom = airflow.get(f"{path}/xcomEntries").text
        assert CANARY not in log + xcom + json.dumps(one)


def test_no_file_of_this_airflow_holds_the_secret(airflow, request):
    state = Path(request.getfixturevalue("tmp_path_factory").getbasetemp())
    files = [path for path in state.glob("standalone*/**/*") if path.is_file()]
    assert len(files) > 10
    assert [str(path) for path in files if re.search(CANARY.encode(), path.read_bytes())] == []
