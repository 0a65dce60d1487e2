"""The operator with a real engine, and a job image that holds the probe."""

import io
import json
import re
import shutil
import tarfile
import threading
import time
from types import SimpleNamespace

import pytest
from probe_runs import FOLDER, Instance, context, probe_task, run_probe

from slipway import engine, image_refs, settings
from slipway.contracts import Limits
from slipway.job_inputs import JobRequest, Secrets

pytestmark = pytest.mark.containers
CANARY = "canary-7f3a'\"%s"


@pytest.fixture(scope="session")
def client():
    client = engine.connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def probe_image(client, job_images):
    """The data image with the probe job in it; its ID."""
    data = image_refs.built_here(settings.ROOT / "images")["data"]
    recipe = f"FROM {data}\nCOPY jobs/probe /opt/slipway/jobs/probe\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(FOLDER / "jobs" / "probe", "jobs/probe")
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(recipe)
        archive.addfile(member, io.BytesIO(recipe))
    context.seek(0)
    tag = f"slipway-probe:{settings.read().project}"
    built = list(client.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True))
    assert "error" not in built[-1]
    yield client.inspect_image(tag)["Id"]
    client.remove_image(tag)


@pytest.fixture
def in_docker(monkeypatch, tmp_path, airflow_db, probe_image, client):
    """An own network, the probe's image and its Variables; nothing may be left of the containers afterwards."""
    shutil.copy(settings.ROOT / "images" / "images.lock", tmp_path)
    (tmp_path / "images.local.json").write_text(json.dumps({"data": probe_image}))
    monkeypatch.setenv("SLIPWAY_JOBS", str(FOLDER / "jobs"))
    monkeypatch.setenv("SLIPWAY_IMAGES", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"GREETING": "hello"}))
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_SECRETS", json.dumps({"PROBE_KEY": CANARY}))
    network = client.create_network(settings.read().network)["Id"]
    yield
    left = (of_the_probe(client), client.volumes(filters={"label": "slipway.job=probe"})["Volumes"] or [])
    for container in left[0]:
        client.remove_container(container, v=True, force=True)
    client.remove_network(network)
    assert left == ([], [])


def of_the_probe(client):
    return [found["Id"] for found in client.containers(all=True, filters={"label": "slipway.job=probe"})]


@pytest.fixture
def sleeping(client, in_docker):
    """A probe that sleeps in a thread of its own: the task, its container's ID, and what comes of it."""
    task, came = probe_task(), []

    def run():
        try:
            came.append(task.execute(context("sleeps", Instance())))
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: task.lines)
    yield task, of_the_probe(client)[0], came, thread
    task.on_kill()
    thread.join(20)


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


@pytest.mark.parametrize("ends", ["without outputs", "unclosed"])
def test_a_container_without_a_closed_result_has_failed(in_docker, ends):
    assert "the contract is broken" in str(run_probe(ends)[0])


def test_nothing_to_do_is_skipped(in_docker):
    error, pushed, _ = run_probe("nothing to do")
    assert (type(error).__name__, pushed["outputs"]["reason"]) == ("NothingToDo", "asked to")


def test_bad_data_is_never_retried(in_docker):
    assert type(run_probe("bad data")[0]).__name__ == "JobRefusedError"


def test_out_of_memory_is_told_from_other_ends(in_docker):
    assert "out of memory at its limit of 64 MiB" in str(run_probe("eats memory")[0])


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
    assert type(error).__name__ == "JobRefusedError"
    assert "image data on this engine is version 0.1.0" in str(error)


def test_a_task_that_is_killed_before_its_container_starts_never_starts_it(in_docker, client):
    from slipway.container import Container

    image = image_refs.built_here(settings.read().images)["data"]
    container = Container(client, image, {"slipway.job": "probe"})
    container.stop()
    ended = container.run(JobRequest("probe", {}, {}, Secrets()), Limits(64 * 2**20, 1, 60), print)
    assert (ended.exit_code, ended.outputs_text) == (143, None)


def test_scratch_is_on_disk_and_not_in_memory(in_docker):
    result, _, _ = run_probe("done")
    assert result["seen"]["environment"]["SLIPWAY_SCRATCH"] == "/job/scratch"


def test_an_image_that_is_not_on_the_engine_is_not_pulled(in_docker, tmp_path):
    (tmp_path / "images.local.json").write_text(json.dumps({"data": "sha256:" + "0" * 64}))
    assert str(run_probe("done")[0]) == (
        "image data 0.1.0 (sha256:000000000000) is not on this engine: run `make images` to build it"
    )


def test_a_killed_task_stops_its_container_and_leaves_nothing(sleeping):
    task, _, came, thread = sleeping
    started = time.monotonic()
    task.on_kill()
    thread.join(20)
    assert time.monotonic() - started < 10
    assert "before it wrote its outputs.json" in str(came[0])


def test_no_secret_stands_in_what_the_engine_tells_of_a_running_container(sleeping, client):
    _, container, _, _ = sleeping
    told = json.dumps(client.inspect_container(container))
    assert "manual__1" in told
    assert CANARY not in told
    assert json.dumps(CANARY)[1:-1] not in told


def test_a_running_container_is_hardened_and_labelled(sleeping, client):
    _, container, _, _ = sleeping
    told = client.inspect_container(container)
    host = told["HostConfig"]
    assert (host["ReadonlyRootfs"], host["Init"], host["PidsLimit"]) == (True, True, 512)
    assert (host["NanoCpus"], host["Memory"]) == (10**9, 64 * 2**20)
    assert told["Config"]["Labels"]["slipway.run_id"] == "manual__1"
    assert [mount["Destination"] for mount in told["Mounts"]] == ["/job"]


def test_the_lake_may_be_a_folder_of_the_engines_host(in_docker, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"LAKE_URI": "/lake"}))
    monkeypatch.setenv("SLIPWAY_LAKE_VOLUME", "/nowhere/lake")
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "EngineAwayError"
    assert "bind source path does not exist: /nowhere/lake" in str(error)
