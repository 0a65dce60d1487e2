"""Tasks whose image only a registry holds."""

import json

import pytest
import small_images
from probe_runs import run_probe
from registry_server import USER, VALID

from slipway import cli, settings

pytestmark = pytest.mark.containers


@pytest.fixture
def released(server, images, client, tmp_path):
    """A released image that is no longer on this engine; the login is gone too."""
    assert cli.main(["release", "--registry", server.prefix]) == 0
    built = json.loads((images / "images.local.json").read_text())["data"]
    small_images.remove(client, built)
    (images / "images.local.json").unlink()
    return built


def login(monkeypatch, server, host=None):
    connection = {"conn_type": "docker", "host": host or server.address, "login": USER, "password": VALID}
    monkeypatch.setenv("AIRFLOW_CONN_COMPANY", json.dumps(connection))


def test_a_task_pulls_its_image_by_digest_with_the_engines_login(released, server):
    result, _, lines = run_probe("done")
    assert result["seen"]["inputs"]["image"]["id"] == released
    assert f"pulling data 0.1.0 from {server.address}: done" in lines


def test_a_task_pulls_with_the_login_of_its_connection(released, server, monkeypatch, tmp_path):
    (tmp_path / "docker" / "config.json").write_text("{}")
    login(monkeypatch, server)
    result, _, lines = run_probe("done", docker_conn_id="company")
    assert result["status"] == "done"
    assert "slipway" not in "".join(lines).replace("slipway-", "")


def test_an_expired_login_is_one_line_and_not_tried_again(released, server, monkeypatch, tmp_path):
    server.stop()
    server.start(password="renewed")
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "JobRefusedError"
    assert str(error).startswith(f"registry {server.address} refuses the login for {server.prefix}/slipway-data@")
    assert f"`docker login {server.address}`" in str(error)


def test_a_connections_login_is_for_its_own_registry_alone(released, server, monkeypatch, tmp_path):
    (tmp_path / "docker" / "config.json").write_text("{}")
    login(monkeypatch, server, host="registry.example.com")
    error, _, _ = run_probe("done", docker_conn_id="company")
    assert "refuses the login" in str(error)


def test_a_registry_that_is_away_can_be_tried_again(released, server):
    server.stop()
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "ServiceAwayError"
    assert f"registry {server.address} did not answer" in str(error)


def test_an_image_that_the_engine_holds_needs_no_registry(released, server):
    assert run_probe("done")[0]["status"] == "done"
    server.stop()
    assert run_probe("done")[0]["status"] == "done"


def test_a_digest_that_is_gone_is_named(released, server):
    server.forget()
    error, _, _ = run_probe("done")
    assert type(error).__name__ == "NoImageError"
    assert f"registry {server.address} does not hold {server.prefix}/slipway-data@sha256:" in str(error)


def test_a_reference_without_a_digest_is_never_pulled(released, server, images):
    path = images / "images.lock"
    text = path.read_text()
    path.write_text(text.replace(text.split('digest: "')[1].split('"')[0], f"{server.prefix}/slipway-data:0.1.0"))
    error, _, lines = run_probe("done")
    assert "is not on this engine" in str(error)
    assert lines == []


def test_a_pulled_image_of_another_lock_than_the_line_names_is_refused(released, images):
    path = images / "images.lock"
    path.write_text(path.read_text().replace("sha256:aa", "sha256:ff"))
    assert "images.lock names 0.1.0, lock sha256:ff" in str(run_probe("done")[0])
    assert settings.read().images == images
