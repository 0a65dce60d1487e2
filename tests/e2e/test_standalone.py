"""One Airflow with a scheduler: DAGs triggered over REST with form values, the asset chain running by itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.containers
SLIPWAY = Path(sys.executable).with_name("slipway")
CANARY = "canary-standalone-51c9"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, job_images):
    """A client of a standalone Airflow with everything of its own; all of it goes at the end."""
    state, port = tmp_path_factory.mktemp("standalone"), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "SLIPWAY_STATE": str(state),
        "SLIPWAY_PROJECT": f"slipway-alone-{os.getpid()}",
        "SLIPWAY_RUNTIME": "docker",
        "MLFLOW_PORT": str(free_port()),
        "AIRFLOW_VAR_SLIPWAY_SECRETS": json.dumps({"AWS_SECRET_ACCESS_KEY": CANARY}),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
    }
    subprocess.run([SLIPWAY, "mlflow"], env=environment, check=True)
    with (state / "standalone.log").open("wb") as log:
        server = subprocess.Popen(
            [SLIPWAY, "airflow", "standalone"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield client_of(port, state)
    finally:
        end(server)
        subprocess.run([SLIPWAY, "stop", "--volumes"], env=environment, check=True)


def end(server):
    """`airflow standalone` ends alone when it is asked to, so its whole group is ended."""
    for asked, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(server.pid, asked)
            server.wait(seconds)
    time.sleep(1)


def client_of(port, state):
    address = f"http://localhost:{port}"
    passwords = state / "airflow" / "simple_auth_manager_passwords.json.generated"
    wait_for(lambda: answers(f"{address}/api/v2/monitor/health") and passwords.is_file(), 120)
    admin = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
    token = httpx.post(f"{address}/auth/token", json=admin).json()["access_token"]
    return httpx.Client(base_url=f"{address}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def answers(url):
    with suppress(httpx.HTTPError):
        health = httpx.get(url).json()
        return health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"
    return False


def wait_for(condition, seconds):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(1)
    return found


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


def test_no_log_field_or_xcom_of_the_chain_holds_the_secret(airflow):
    instances = airflow.get("/dags/~/dagRuns/~/taskInstances").json()["task_instances"]
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
