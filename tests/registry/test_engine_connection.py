"""An engine and a login that an Airflow connection names."""

import json
import socket
import threading

import pytest
from probe_runs import run_probe

from slipway import engine, engine_connection
from slipway.errors import EngineAwayError, SettingsError

PASSWORD = "canary-engine-77aa"


class Forwarder(threading.Thread):
    """A second address of the engine: a Unix socket whose every connection it counts and passes on."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.engine = engine.host().removeprefix("unix://")
        self.asked = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            self.asked += 1
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.engine)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()


def pass_on(source, sink):
    while chunk := source.recv(65536):
        sink.sendall(chunk)
    sink.shutdown(socket.SHUT_WR)


def connection(monkeypatch, **extra):
    told = {"conn_type": "docker", "host": "https://registry.example.com", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps({**told, "login": "jobs", "password": PASSWORD}))


@pytest.mark.containers
@pytest.mark.filterwarnings("ignore:Exception in thread:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_task_runs_on_the_engine_that_its_connection_names(images, tmp_path, monkeypatch):
    path = tmp_path / "second.sock"
    second = Forwarder(path)
    second.start()
    connection(monkeypatch, engine=f"unix://{path}")
    # Were it asked, this machine's own engine would not answer.
    monkeypatch.setattr(engine, "host", lambda: "unix:///nowhere/docker.sock")
    result, _, lines = run_probe("done", docker_conn_id="second")
    assert result["status"] == "done"
    assert second.asked > 3
    assert PASSWORD not in json.dumps([result, lines])


def test_an_engine_of_a_connection_that_is_away_is_named(monkeypatch):
    connection(monkeypatch, engine="unix:///nowhere/second.sock")
    with pytest.raises(EngineAwayError, match=r"no Docker engine answers at unix:///nowhere/second\.sock"):
        engine_connection.of("second").client()


def test_a_connection_that_is_not_there_says_where_to_add_it():
    with pytest.raises(SettingsError, match=r"connection 'absent' .* is not there: add it under Admin > Connections"):
        engine_connection.of("absent")


def test_tls_files_that_are_not_there_are_named(monkeypatch):
    connection(monkeypatch, engine="tcp://engine.example.com:2376", client_cert="/nowhere/cert.pem")
    with pytest.raises(SettingsError, match="Airflow connection second: ca_cert, client_cert, client_key: Path to"):
        engine_connection.of("second")


def test_an_engine_over_ssh_says_which_package_it_needs(monkeypatch):
    connection(monkeypatch, engine="ssh://jobs@engine.example.com")
    with pytest.raises(SettingsError, match="ssh:// needs the package paramiko"):
        engine_connection.of("second")


def test_a_login_is_shown_to_its_own_registry_alone(monkeypatch):
    connection(monkeypatch)
    chosen = engine_connection.of("second")
    assert chosen.login("registry.example.com")["password"] == PASSWORD
    assert chosen.login("docker.io") is None
    assert PASSWORD not in repr(chosen)


def test_without_a_connection_it_is_this_machines_engine():
    assert engine_connection.of(None) == engine_connection.EngineConnection()
