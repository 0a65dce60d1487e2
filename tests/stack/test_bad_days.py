"""What goes wrong on a person's machine is one line that says what to do, and nothing is lost."""

import os
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from stack.checkout import Checkout, docker

from slipway import ports
from slipway.errors import NoRoomError, PortTakenError, StackError
from slipway.stack import containers, host, starting, stopping, waiting

GIB = 2**30


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in which nothing was started yet."""
    return Checkout(tmp_path_factory.mktemp("bad"))


@pytest.fixture(autouse=True)
def env(checkout):
    """Its `.env` as it was, after each test."""
    checkout.write_env()


def one_line(done, exit_code):
    assert (done.returncode, len(done.stderr.splitlines())) == (exit_code, 1), done.stdout + done.stderr
    return done.stderr


def test_without_an_engine_up_and_doctor_say_so(checkout):
    nowhere = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    said = one_line(checkout.slipway("up", **nowhere), 69)
    assert said.startswith("slipway: no Docker engine answers at unix:///nowhere/docker.sock: start it")
    looked = checkout.slipway("doctor", **nowhere)
    assert looked.returncode == 1
    assert [line.split()[:2] for line in looked.stdout.splitlines()][-1] == ["fail", "engine"]


def test_an_engine_elsewhere_is_refused_since_folders_are_mounted(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(Exception, match="is on another machine, and the stack mounts this checkout's folders"):
        host.socket()


@pytest.mark.containers
def test_a_half_written_env_is_named_with_its_line_and_stays_as_it_is(checkout):
    path = checkout.root / ".env"
    path.write_text(path.read_text() + "AIRFLOW_FERNET_")
    before = path.read_bytes()
    said = one_line(checkout.slipway("up"), 64)
    assert f"{path}:5: this is no `NAME=value` line" in said
    assert path.read_bytes() == before
    assert checkout.slipway("down").returncode == 0


@pytest.mark.containers
def test_an_engine_without_compose_v2_is_told_what_to_install(checkout, tmp_path):
    # Neither Docker's plugin, nor a program of its own, nor apt to fetch one.
    (checkout.root / ".slipway" / "bin").mkdir(parents=True, exist_ok=True)
    (checkout.root / ".slipway" / "bin").rename(checkout.root / ".slipway" / "aside")
    try:
        said = one_line(checkout.slipway("up", PATH=str(tmp_path), DOCKER_HOST="unix:///var/run/docker.sock"), 69)
    finally:
        (checkout.root / ".slipway" / "aside").rename(checkout.root / ".slipway" / "bin")
    assert "compose 2.20 or newer is missing" in said
    assert "install the package docker-compose-plugin" in said


@pytest.mark.containers
@pytest.mark.parametrize("setting", ["AIRFLOW_PORT", "MLFLOW_PORT"])
def test_a_taken_port_is_told_with_the_setting_that_moves_it(checkout, setting):
    with socket.socket() as stranger:
        stranger.bind((ports.LOOPBACK, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        checkout.write_env(**{setting: port})
        said = one_line(checkout.slipway("up"), 69)
    assert f"port {port} is taken by another program: set {setting} in .env (or `make up {setting}={port + 1}`)" in said
    assert checkout.left("ps --all --quiet") == []


@pytest.mark.containers
def test_a_lost_key_is_not_replaced_while_there_is_data_that_it_opens(checkout):
    volume = f"{checkout.name}_postgres"
    docker("volume", "create", "--label", f"com.docker.compose.project={checkout.name}", volume)
    try:
        said = one_line(checkout.slipway("up"), 64)
        assert f"has no AIRFLOW_FERNET_KEY, and {volume} holds data that the lost one opens" in said
        assert "AIRFLOW_FERNET_KEY=" not in (checkout.root / ".env").read_text()
    finally:
        assert f"removed volume {volume}" in checkout.slipway("down", "--volumes").stdout


@pytest.mark.containers
def test_a_folder_that_airflow_could_not_read_is_named(checkout):
    (checkout.root / "dags" / "train.py").chmod(0o600)
    try:
        said = one_line(checkout.slipway("up"), 64)
    finally:
        (checkout.root / "dags" / "train.py").chmod(0o644)
    assert "dags/train.py is readable by its owner only" in said


@pytest.mark.containers
def test_a_backup_before_the_first_start_and_a_restore_of_nothing_are_refused(checkout, tmp_path):
    assert "holds no data: there is nothing to back up" in one_line(checkout.slipway("backup"), 65)
    assert "is no backup: it has no manifest.json" in one_line(checkout.slipway("restore", str(tmp_path)), 65)


def engine_with(free_bytes, monkeypatch):
    """A client of an engine whose disk has this much room."""
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=free_bytes, f_frsize=1))
    return SimpleNamespace(info=lambda: {"DockerRootDir": "/var/lib/docker"})


def test_a_disk_that_is_nearly_full_is_refused_and_a_fuller_one_warned_of(monkeypatch):
    with pytest.raises(NoRoomError, match=r"only 0.5 GiB are free .*`docker system df` shows it"):
        host.check_room(engine_with(GIB // 2, monkeypatch))
    assert host.check_room(engine_with(3 * GIB, monkeypatch)).startswith("warning: only 3.0 GiB are free")
    assert host.check_room(engine_with(6 * GIB, monkeypatch)) == ""


def service(name, status, **more):
    """A container as the engine shows it, whose state is this."""
    once = name.endswith("-init")
    at = "2026-11-21T11:52:12.8Z"
    shown = {
        "Id": name, "Name": f"/a-{name}-1", "Image": "sha256:1", "RestartCount": 0,
        "State": {"Status": status, "ExitCode": 0, "Running": status == "running", "StartedAt": at, **more},
        "Config": {"Labels": {containers.SERVICE: name}},
        "HostConfig": {"RestartPolicy": {"Name": "no" if once else "unless-stopped"}, "PortBindings": {}},
    }  # fmt: skip
    return containers.service(shown)


def composing(exit_code):
    done = subprocess.Popen(["sh", "-c", f"exit {exit_code}"])
    done.wait()
    return done


@pytest.mark.parametrize(
    ("name", "state", "log", "says"),
    [
        ("mlflow-init", {"status": "exited", "ExitCode": 1}, "MLflow's database is newer than this server", "newer"),
        (
            "store-init",
            {"status": "exited", "ExitCode": 1},
            "the store at x refuses S3_ACCESS_KEY",
            "refuses S3_ACCESS",
        ),
        (
            "postgres",
            {"status": "running", "Health": {"Status": "unhealthy"}},
            "FATAL: no space left",
            "FATAL: no space",
        ),
    ],
)
def test_the_service_that_the_others_wait_for_is_named_with_its_last_words(
    monkeypatch, tmp_path, name, state, log, says
):
    waiting_services = [service("api-server", "created"), service(name, **state)]
    monkeypatch.setattr(containers, "services", lambda client, stack: waiting_services)
    client = SimpleNamespace(logs=lambda container, tail, since: f"first\n{log}\n".encode())
    (tmp_path / "log").write_text("dependency failed to start: container a is unhealthy\n")
    with pytest.raises(Exception, match=rf"^{name} .*{says}.*`docker logs a-{name}-1`; what is stored is kept"):
        waiting.follow(client, None, composing(1), tmp_path / "log")


def test_compose_is_asked_again_when_a_service_that_was_late_has_come_round(monkeypatch, tmp_path):
    (tmp_path / "log").write_text("dependency failed to start: container a-mlflow-1 is unhealthy\n")
    now = [service("mlflow", "running", Health={"Status": "healthy"}), service("scheduler", "created")]
    monkeypatch.setattr(containers, "services", lambda client, stack: now)
    assert waiting.follow(None, None, composing(1), tmp_path / "log") is False


def test_a_server_that_was_started_a_moment_ago_may_be_late():
    now = datetime.now(UTC).isoformat()
    late = service("mlflow", "running", Health={"Status": "unhealthy"}, StartedAt=now)
    assert (late.ready, late.failed) == (False, False)
    assert service("mlflow", "running", Health={"Status": "unhealthy"}).failed


def test_a_port_that_is_taken_between_the_check_and_the_start_is_told(tmp_path):
    (tmp_path / "log").write_text("one\nBind for 127.0.0.1:8080 failed: port is already allocated\n")
    assert isinstance(waiting.refused(tmp_path / "log"), PortTakenError)


@pytest.mark.parametrize(("own_store", "internal", "says"), [(False, True, "lacks the"), (True, False, "has a")])
def test_the_network_of_another_kind_of_store_is_not_taken_over(own_store, internal, says):
    client = SimpleNamespace(networks=lambda names: [{"Name": names[0], "Internal": internal}])
    with pytest.raises(StackError, match=rf"a-jobs {says} way out .*`make down`"):
        host.check_network(client, SimpleNamespace(name="a", own_store=own_store))
    host.check_network(client, SimpleNamespace(name="a", own_store=internal))


def test_what_ended_before_this_start_is_not_blamed_but_what_falls_over_now(monkeypatch, tmp_path):
    scheduler, postgres = service("scheduler", "exited", ExitCode=1), service("postgres", "restarting")
    postgres = replace(postgres, restarts=5)
    monkeypatch.setattr(containers, "services", lambda client, stack: [scheduler, postgres])
    client = SimpleNamespace(logs=lambda container, tail, since: b"the data is of PostgreSQL 16\n")
    (tmp_path / "log").write_text("dependency failed to start: container a-postgres-1 is unhealthy\n")
    before = {waiting.start_of(scheduler)}
    with pytest.raises(StackError, match=r"^postgres fell over 5 times: the data is of PostgreSQL 16"):
        waiting.follow(client, None, composing(1), tmp_path / "log", before=before)


def test_what_falls_over_again_and_again_begins_anew(monkeypatch):
    stopped, seen = [], [replace(service("scheduler", "restarting"), restarts=9), service("postgres", "running")]
    monkeypatch.setattr(containers, "services", lambda client, stack: seen)
    monkeypatch.setattr(stopping, "stop_one", stopped.append)
    starting.calm(None, None)
    assert stopped == seen[:1]
