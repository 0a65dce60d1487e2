"""The reaper's own DAG in a real Airflow: it takes what no worker will come for, and nothing else."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from faults.test_workers import container_of, running
from probe_runs import FOLDER, of_the_probe

from slipway import settings
from slipway.inside_airflow import READING

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("nothing_left")]
REAP = "/dags/slipway.reap"
# The next minute, a look, a second look, and what a busy machine adds.
ROUND_SECONDS = 150


@pytest.fixture(scope="module")
def dag_folder(tmp_path_factory):
    """The probe's DAG beside the reaper's own file."""
    folder = tmp_path_factory.mktemp("dags")
    for path in (FOLDER / "probe_dag.py", settings.ROOT / "dags" / "reap.py"):
        shutil.copy(path, folder)
    shutil.copytree(FOLDER / "pipelines", folder / "pipelines")
    return folder


@pytest.fixture(scope="module")
def more_settings():
    return {"SLIPWAY_RETRIES": "0"}


def deserted(airflow, client):
    """A job whose worker died with the task's only try, and its container."""
    run = airflow.trigger("sleeps 900", timeout_seconds=900)
    container = running(airflow, client, run)
    for pid in airflow.worker_of(run):
        os.kill(pid, signal.SIGKILL)
    return run, container


def paused(airflow, so):
    airflow.wait_for(lambda: airflow.api.get(REAP).status_code == 200, 60)
    assert airflow.api.patch(REAP, json={"is_paused": so}).status_code == 200


def reaped(airflow):
    """What all rounds of the reaper have logged."""
    files = sorted(airflow.state.glob("logs/dag_id=slipway.reap/**/*.log"))
    return "".join(path.read_text(errors="replace") for path in files)


def named_by_hand(airflow):
    """What the command says beside this Airflow's database."""
    inside = {**airflow.environment, **READING, "PYTHONPATH": str(settings.ROOT / "plugins")}
    done = subprocess.run([sys.executable, "-m", "slipway.reap_word"], env=inside, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_job_whose_worker_died_in_its_last_try_is_removed_and_one_that_goes_on_stays(airflow, client):
    paused(airflow, True)
    run, container = deserted(airflow, client)
    assert airflow.ended(run) == "failed"
    alive = airflow.trigger("sleeps 900", timeout_seconds=900)
    stays = running(airflow, client, alive)
    told = f"container {container[:12]} of probe.probe, task probe of {run}: its task is failed"
    assert named_by_hand(airflow).splitlines()[-1:] == [f"would remove {told}"]
    assert set(of_the_probe(client)) == {container, stays}
    paused(airflow, False)
    airflow.wait_for(lambda: container_of(client, run) is None, ROUND_SECONDS)
    airflow.wait_for(lambda: f"removed {told}" in reaped(airflow), 10)
    assert client.inspect_container(stays)["State"]["Running"]
    assert airflow.task(alive)["state"] == "running"
    airflow.api.patch(f"/dags/probe.probe/dagRuns/{alive}/taskInstances/probe", json={"new_state": "failed"})
    airflow.wait_for(lambda: container_of(client, alive) is None, 10)


def test_a_job_whose_dag_run_was_deleted_while_its_worker_was_dead_is_removed(airflow, client):
    run, container = deserted(airflow, client)
    assert airflow.api.patch(f"/dags/probe.probe/dagRuns/{run}", json={"state": "failed"}).status_code == 200
    assert airflow.api.delete(f"/dags/probe.probe/dagRuns/{run}").status_code == 204
    airflow.wait_for(lambda: container_of(client, run) is None, ROUND_SECONDS)
    told = f"removed container {container[:12]} of probe.probe, task probe of {run}: its task is gone from Airflow"
    airflow.wait_for(lambda: told in reaped(airflow), 10)
