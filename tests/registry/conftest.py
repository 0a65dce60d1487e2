"""A registry, an image that may be released to it, and a deployment whose only image that is."""

import json

import pytest
import small_images
from probe_runs import FOLDER
from registry_server import RegistryServer

from images import debian, packages
from slipway import engine, settings


@pytest.fixture(scope="session")
def registry_program(tmp_path_factory):
    if not packages.can_fetch():
        pytest.skip("no Debian mirror to fetch the package docker-registry from")
    folder = tmp_path_factory.mktemp("docker-registry")
    packages.fetch("docker-registry", debian.SUITE, folder)
    return folder / "usr" / "bin" / "docker-registry"


@pytest.fixture(scope="session")
def one_registry(registry_program, tmp_path_factory):
    """One for all tests: what one of them has pushed, the next need not push again."""
    server = RegistryServer(registry_program, tmp_path_factory.mktemp("registry"))
    yield server
    server.stop()


@pytest.fixture
def server(one_registry, tmp_path, monkeypatch):
    """A registry that runs, with a place in it for this test; who asks has logged in."""
    config = tmp_path / "docker"
    config.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    (config / "config.json").write_text(one_registry.login())
    one_registry.stop()
    one_registry.start()
    one_registry.prefix = f"{one_registry.address}/{tmp_path.name.replace('_', '-')}"
    return one_registry


@pytest.fixture(scope="session")
def client():
    with engine.connect() as client:
        yield client


@pytest.fixture
def images(client, job_images, tmp_path, monkeypatch, airflow_db):
    """The folder with images.lock and one image built here; its network; no container may be left."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "images.lock").write_text(small_images.LOCK)
    image_id = small_images.build(client, "released")
    (folder / "images.local.json").write_text(json.dumps({"data": image_id}))
    monkeypatch.setenv("SLIPWAY_IMAGES", str(folder))
    monkeypatch.setenv("SLIPWAY_JOBS", str(FOLDER / "jobs"))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_SECRETS", "{}")
    network = client.create_network(settings.read().network)["Id"]
    yield folder
    left = client.containers(all=True, filters={"label": f"slipway.project={settings.read().project}"})
    client.remove_network(network)
    if client.images(all=True, filters={"label": "name=released"}):
        small_images.remove(client, client.images(filters={"label": "name=released"})[0]["Id"])
    assert left == []
