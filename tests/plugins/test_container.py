"""The operator with a real engine, and a job image that holds the probe."""

import json
import re
import threading
import time
from types import SimpleNamespace

import pytest
from probe_runs import CANARY, Instance, context, of_the_probe, probe_task, run_probe

from slipway.failures import JobKilledError

pytestmark = pytest.mark.containers


@pytest.fixture
def sleeping(client, in_docker):
    """The container's ID of a probe that sleeps in a thread of its own, until its user ends it."""
    task, came = probe_task(), []

    def run():
        try:
            came.append(task.execute(context("sleeps", Instance(state="failed"))))
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: task.lines)
    yield of_the_probe(client)[0]
    task.on_kill()
    thread.join(20)
    assert type(came[0]).__name__ == "JobKilledError"


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_job_runs_without_rights(in_docker):
    result, _, _ = run_probe("done")
    status = dict(line.split(":\t") for line in result["seen"]["status"].splitlines() if ":\t" in line)
    assert result["seen"]["uid"] == 10001
    assert (status["CapEff"], status["CapBnd"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")


def test_a_job_sees_allowed_names_secrets_as_files_and_its_image(in_docker, probe_image):
    result, _, lines = run_probe("done")
    seen = result["seen"]
    assert seen["environment"]["GREETING"] == "hello"
    assert (seen["secrets"], lines) == (["PROBE_KEY"], ["probe runs done ***"])
    assert seen["inputs"]["image"]["id"] == probe_image
    assert CANARY not in json.dumps(result)


def test_a_log_is_over_with_its_job_and_not_when_the_patience_is(in_docker):
    task = probe_task()
    task.execute(context("done", Instance()))
    assert task.follower.told_whole


@pytest.mark.parametrize("ends", ["without outputs", "unclosed"])
def test_a_container_without_a_closed_result_has_failed(in_docker, ends):
    assert "the contract is broken" in str(run_probe(ends)[0])


def test_nothing_to_do_is_skipped(in_docker):
    error, pushed, _ = run_probe("nothing to do")
    assert (type(error).__name__, pushed["outputs"]["reason"]) == ("NothingToDo", "asked to")


def test_bad_data_is_never_retried(in_docker):
    assert type(run_probe("bad data")[0]).__name__ == "BadDataError"


def test_out_of_memory_is_told_from_other_ends(in_docker):
    assert "probe: out of memory at its limit of 64 MiB" in str(run_probe("eats memory")[0])


def test_limits_beyond_the_machine_are_cut_with_a_warning(in_docker, client, monkeypatch):
    warned = []
    task = probe_task(limits={"cpus": 512, "memory": "9000g"})
    monkeypatch.setattr(type(task), "log", SimpleNamespace(info=print, warning=lambda text, *said: warned.append(said)))
    assert task.execute(context("done", Instance()))["status"] == "done"
    assert task.limits.cpus == client.info()["NCPU"]
    assert [said[1].cpus for said in warned if said] == [512]


def test_a_build_of_another_version_than_the_lock_names_is_refused(in_docker, tmp_path):
    lock = tmp_path / "images.lock"
    lock.write_text(re.sub(r"data: \{version: [\d.]+", "data: {version: 9.9.9", lock.read_text()))
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "NoImageError"
    assert "image data on this engine is version 0.1.0" in str(error)


def test_a_task_that_is_killed_before_its_container_starts_never_starts_it(in_docker, client):
    task = probe_task()
    task.on_kill()
    with pytest.raises(JobKilledError, match="its task was set to failed in Airflow while it ran"):
        task.execute(context("sleeps", Instance(state="failed")))
    assert (task.lines, of_the_probe(client)) == ([], [])


def test_scratch_is_on_disk_and_not_in_memory(in_docker):
    result, _, _ = run_probe("done")
    assert result["seen"]["environment"]["SLIPWAY_SCRATCH"] == "/job/scratch"


def test_an_image_that_is_not_on_the_engine_is_not_pulled(in_docker, tmp_path):
    (tmp_path / "images.local.json").write_text(json.dumps({"data": "sha256:" + "0" * 64}))
    assert str(run_probe("done")[0]) == (
        "image data 0.1.0 (sha256:000000000000) is not on this engine: run `make images` to build it"
    )


def test_no_secret_stands_in_what_the_engine_tells_of_a_running_container(sleeping, client):
    told = json.dumps(client.inspect_container(sleeping))
    assert "manual__1" in told
    assert CANARY not in told
    assert json.dumps(CANARY)[1:-1] not in told


def test_a_running_container_is_hardened_and_labelled(sleeping, client):
    told = client.inspect_container(sleeping)
    host = told["HostConfig"]
    assert (host["ReadonlyRootfs"], host["Init"], host["PidsLimit"]) == (True, True, 512)
    assert (host["NanoCpus"], host["Memory"]) == (10**9, 64 * 2**20)
    assert told["Config"]["Labels"]["slipway.run_id"] == "manual__1"
    assert [mount["Destination"] for mount in told["Mounts"]] == ["/job"]


def test_the_lake_may_be_a_folder_of_the_engines_host(in_docker, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"LAKE_URI": "/lake"}))
    monkeypatch.setenv("SLIPWAY_LAKE_VOLUME", "/nowhere/lake")
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "ServiceAwayError"
    assert "bind source path does not exist: /nowhere/lake" in str(error)
