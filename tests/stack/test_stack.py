"""One real stack, from its first start to its restore; each test goes on from where the one before left it."""

import json
import re
from pathlib import Path

import httpx
import pytest
from stack.checkout import TEAMS, docker, log, wait_for

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]
SERVERS = ["api-server", "dag-processor", "mlflow", "postgres", "scheduler", "store"]
STEPS = ["airflow-init", "mlflow-init", "store-init"]
LIST = """
import boto3, json, os
store = boto3.client("s3", endpoint_url="http://store:9000", region_name="us-east-1")
pages = store.get_paginator("list_objects_v2").paginate(Bucket=os.environ["BUCKET"])
print(json.dumps({found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}))
"""
ASK = """
import os, socket, urllib.error, urllib.request
for place in os.environ["PLACES"].split():
    try:
        socket.create_connection(place.split(":"), 5).close()
        print("open")
    except OSError:
        print("away")
for address in os.environ["ADDRESSES"].split():
    try:
        print(urllib.request.urlopen(address, timeout=10).status)
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError as error:
        print("away")
"""


def objects(stack):
    """Size by key of what is in the bucket, listed with boto3 by the bucket's key from where jobs are."""
    image = stack.containers()["store-init"]["Image"]
    held = stack.secrets
    login = {"AWS_ACCESS_KEY_ID": held["S3_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": held["S3_SECRET_KEY"]}
    return json.loads(stack.inside(image, LIST, BUCKET="slipway", **login))


def holdings(stack):
    """What people would miss: runs, model versions and the versions of each table."""
    experiments = stack.mlflow("GET", "experiments/search", params={"max_results": 100})["experiments"]
    asked = {"experiment_ids": [each["experiment_id"] for each in experiments], "max_results": 1000}
    runs = stack.mlflow("POST", "runs/search", json=asked).get("runs", [])
    models = stack.mlflow("GET", "model-versions/search", params={"max_results": 100}).get("model_versions", [])
    return {
        "runs": sorted((run["info"]["run_id"], run["info"]["status"]) for run in runs),
        "models": sorted((model["name"], model["version"], model["run_id"]) for model in models),
        "tables": sorted(key for key in objects(stack) if "/_delta_log/" in key),
    }


def networks(container):
    return container["NetworkSettings"]["Networks"]


def pause_all(stack):
    for dag in stack.airflow.get("/dags").json()["dags"]:
        stack.airflow.patch(f"/dags/{dag['dag_id']}", json={"is_paused": True})


def test_every_service_is_healthy_and_the_command_says_where_it_is(stack):
    found = stack.containers()
    assert sorted(found) == sorted([*SERVERS, *STEPS])
    assert {found[name]["State"]["Health"]["Status"] for name in SERVERS} == {"healthy"}
    assert {found[name]["State"]["ExitCode"] for name in STEPS} == {0}
    assert f"Airflow  http://127.0.0.1:{stack.airflow_port}" in stack.first
    assert f"MLflow   http://127.0.0.1:{stack.mlflow_port}" in stack.first
    assert [name for name in SERVERS if not re.search(rf"^  {name} +healthy, \d+ s$", stack.first, re.MULTILINE)] == []


def test_a_second_up_keeps_every_container_and_every_secret(stack):
    before, secrets = stack.containers(), (stack.root / ".env").read_bytes()
    stack.succeed("up")
    after = stack.containers()
    assert {name: each["Id"] for name, each in after.items()} == {name: each["Id"] for name, each in before.items()}
    assert {after[name]["State"]["StartedAt"] == before[name]["State"]["StartedAt"] for name in SERVERS} == {True}
    assert (stack.root / ".env").read_bytes() == secrets


def test_the_chain_runs_green_from_one_trigger_over_rest(chain):
    # An unpaused schedule has a run of its own; whichever of the two comes second has nothing to do.
    assert chain["ingest"]["ingest"] - {"skipped"} == {"success"}
    assert (sorted(chain["train"]), sorted(chain["predict"])) == (["promote", "train"], ["predict"])
    for states in (*chain["train"].values(), *chain["predict"].values()):
        assert states - {"skipped"} == {"success"}


def test_a_cron_schedule_in_a_folder_of_a_teams_own_runs_by_itself(stack):
    airflow = stack.airflow
    wait_for(lambda: airflow.get("/dags/tumours.ingest").status_code == 200, 60)
    assert airflow.patch("/dags/tumours.ingest", json={"is_paused": False}).status_code == 200

    def look():
        runs = airflow.get("/dags/tumours.ingest/dagRuns").json()["dag_runs"]
        return [run for run in runs if (run["run_type"], run["state"]) == ("scheduled", "success")]

    assert wait_for(look, 150)
    assert airflow.patch("/dags/tumours.ingest", json={"is_paused": True}).status_code == 200
    running = "/dags/tumours.ingest/dagRuns?state=running&state=queued"
    wait_for(lambda: airflow.get(running).json()["total_entries"] == 0, 120)


def test_runs_metrics_and_model_are_in_mlflow_on_postgresql(stack, chain):
    found = holdings(stack)
    assert [model[:2] for model in found["models"] if model[0] == "bike_demand"] != []
    assert "RUNNING" not in {status for _, status in found["runs"]}
    assert int(stack.rows("mlflow", "SELECT count(*) FROM runs")[0]) == len(found["runs"])
    assert int(stack.rows("mlflow", "SELECT count(*) FROM metrics")[0]) > 10


def test_the_lake_and_the_artifacts_are_objects_of_the_bucket(stack, chain):
    keys = objects(stack)
    for place in ("lake/bike_demand/raw/_delta_log/", "lake/bike_demand/predictions/", "mlflow/"):
        assert [key for key in keys if key.startswith(place)] != []
    assert {key.split("/")[0] for key in keys} - set(TEAMS) == {"lake", "mlflow"}


def test_a_file_lands_in_the_bucket_as_a_whole_and_a_second_one_replaces_it(stack, tmp_path):
    (tmp_path / "rides.csv").write_bytes(b"x" * 20_000_000)
    assert stack.succeed("land", str(tmp_path / "rides.csv")) == f"landed rides.csv in {stack.name}\n"
    (tmp_path / "rides.csv").write_text("a,b\n1,2\n")
    said = stack.succeed("land", str(tmp_path / "rides.csv"))
    assert said == f"landed rides.csv in {stack.name}, in place of an older file\n"
    assert {key: size for key, size in objects(stack).items() if "landing" in key} == {"lake/landing/rides.csv": 8}


def test_the_inputs_of_a_run_come_back_from_the_stacks_mlflow(stack, chain):
    trained = stack.mlflow("GET", "model-versions/search", params={"filter": "name='bike_demand'"})["model_versions"]
    done = stack.slipway("inputs", trained[0]["run_id"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["job"] == "train"
    assert f"out of the MLflow of {stack.name}" in done.stderr


@pytest.mark.parametrize("job", ["ingest", "predict"])
def test_a_run_of_the_chain_is_replayed_and_leaves_nothing_in_the_bucket(stack, chain, job):
    before = objects(stack)
    done = stack.slipway("replay", first_run(stack, job))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nthe same as then, in " in done.stdout
    tables = [key for key in objects(stack) if key.startswith("lake/")]
    assert sorted(tables) == sorted(key for key in before if key.startswith("lake/"))


def first_run(stack, job):
    """The ID of the first run of a job of bike_demand that did its work."""
    found = stack.mlflow("GET", "experiments/get-by-name", params={"experiment_name": "bike_demand"})
    same = f"tags.`slipway.job` = '{job}' and tags.`slipway.status` = 'done'"
    asked = {"experiment_ids": [found["experiment"]["experiment_id"]], "filter": same, "max_results": 100}
    runs = stack.mlflow("POST", "runs/search", json=asked)["runs"]
    return min(runs, key=lambda run: run["info"]["start_time"])["info"]["run_id"]


def test_only_two_ports_are_published_and_on_loopback_alone(stack):
    published = {
        (name, port["HostIp"], int(port["HostPort"]))
        for name, found in stack.containers().items()
        for ports in (found["NetworkSettings"]["Ports"] or {}).values()
        for port in ports or []
    }
    assert published == {
        ("api-server", "127.0.0.1", stack.airflow_port),
        ("mlflow", "127.0.0.1", stack.mlflow_port),
    }


def test_store_and_mlflow_refuse_who_has_no_login_and_jobs_reach_nothing_else(stack):
    image = stack.containers()["store-init"]["Image"]
    mlflow = "http://mlflow:5000/api/2.0/mlflow/experiments/search?max_results=1"
    found = stack.containers()
    backend = [one["IPAddress"] for name in ("postgres", "api-server") for one in networks(found[name]).values()]
    places = " ".join(["store:9000", "postgres:5432", "api-server:8080", f"{backend[0]}:5432", f"{backend[1]}:8080"])
    told = stack.inside(image, ASK, PLACES=places, ADDRESSES=f"http://store:9000/slipway?list-type=2 {mlflow}")
    assert told.split() == ["open", "away", "away", "away", "away", "403", "401"]
    outside = [f"http://127.0.0.1:{stack.mlflow_port}/api/2.0/mlflow/experiments/search?max_results=1",
               f"http://127.0.0.1:{stack.airflow_port}/api/v2/dags"]  # fmt: skip
    assert [httpx.get(address).status_code for address in outside] == [401, 401]


def test_no_secret_stands_in_what_the_engine_shows_of_jobs_or_in_any_log(stack, chain):
    logs = {name: log(found["Id"]) for name, found in stack.containers().items()}
    assert len(stack.seen) >= 3
    assert [name for name in SERVERS if not logs[name]] == []
    shown = {**stack.seen, **logs}
    secrets = {name: value for name, value in stack.secrets.items() if name != "S3_ACCESS_KEY"}
    assert len(secrets) == 12
    assert [(place, name) for place, text in shown.items() for name, value in secrets.items() if value in text] == []


def test_what_a_job_left_is_named_by_the_command_and_removed_by_the_reapers_dag(stack):
    airflow, reap = stack.airflow, "/dags/slipway.reap"
    wait_for(lambda: airflow.get(reap).status_code == 200, 90)
    assert airflow.get(reap).json()["is_paused"] is False
    told = {"project": stack.name, "dag_id": "gone.train", "run_id": "one", "task_id": "train", "map_index": "-1"}
    labels = [word for name, value in told.items() for word in ("--label", f"slipway.{name}={value}")]
    image = stack.containers()["store-init"]["Image"]
    left = docker("run", "--detach", "--init", "--entrypoint", "sleep", *labels, image, "600").strip()
    assert f"container {left[:12]} of gone.train, task train of one: its task is gone" in stack.succeed("reap")
    wait_for(lambda: left not in docker("ps", "--all", "--quiet", "--no-trunc"), 150)
    wait_for(lambda: airflow.get(f"{reap}/dagRuns?state=success").json()["total_entries"], 90)


def test_doctor_finds_nothing_wrong(stack):
    done = stack.slipway("doctor")
    assert done.returncode == 0, done.stdout
    words = [line.split()[:2] for line in done.stdout.splitlines()]
    assert [line for line in words if line[0] == "fail"] == []
    assert {"compose", "engine", "clock", "images", "login", "bucket", "Variables"} <= {title for _, title in words}


@pytest.fixture(scope="module")
def saved(stack, chain, tmp_path_factory):
    """A backup of the running stack, and what it held; nothing new comes in any more."""
    pause_all(stack)
    running = "/dags/~/dagRuns?state=running"
    wait_for(lambda: stack.airflow.get(running).json()["total_entries"] == 0, 120)
    folder = tmp_path_factory.mktemp("backups") / "one"
    held = holdings(stack)
    stack.succeed("backup", str(folder))
    return folder, held


def test_a_backup_names_its_parts_with_their_sums_and_is_for_its_owner_alone(saved):
    folder, held = saved
    assert sorted(path.name for path in folder.iterdir()) == [
        "airflow.dump", "bucket.tar", "manifest.json", "mlflow.dump", "secrets.env",
    ]  # fmt: skip
    assert (folder.stat().st_mode & 0o777, (folder / "secrets.env").stat().st_mode & 0o777) == (0o700, 0o600)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"]["mlflow"]["runs"] == len(held["runs"])
    assert list(folder.parent.iterdir()) == [folder]


def test_a_restore_refuses_a_stack_that_holds_data_and_a_backup_that_was_changed(stack, saved, tmp_path):
    refused = stack.slipway("restore", str(saved[0]))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (65, 1)
    assert f"{stack.name} holds data" in refused.stderr
    copy = tmp_path / "changed"
    copy.mkdir()
    for part in saved[0].iterdir():
        (copy / part.name).write_bytes(part.read_bytes() + (b"x" if part.name == "mlflow.dump" else b""))
    changed = stack.slipway("restore", str(copy))
    assert changed.returncode == 65
    assert "mlflow.dump is not as it was written (its sha256 differs)" in changed.stderr


def test_down_leaves_no_container_and_the_data_is_there_after_the_next_up(stack, saved):
    said = stack.succeed("down")
    assert "scheduler … stopped" in said
    assert stack.left("ps --all --quiet", "network ls --quiet") == []
    assert stack.left("volume ls --quiet") != []
    stack.succeed("up")
    assert holdings(stack) == saved[1]


def test_after_a_removal_of_all_data_a_restore_gives_the_same_back(stack, saved):
    stack.succeed("down", "--volumes")
    assert stack.left("ps --all --quiet", "network ls --quiet", "volume ls --quiet") == []
    said = stack.succeed("restore", str(saved[0]))
    assert f"{len(saved[1]['runs'])} runs" in said
    assert holdings(stack) == saved[1]
    assert Path(stack.root / ".env").stat().st_mode & 0o777 == 0o600
