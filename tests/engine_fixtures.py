"""What tests of the operator with a real engine share."""

import io
import json
import shutil
import tarfile
from contextlib import suppress

import pytest
from docker.errors import ImageNotFound
from probe_runs import CANARY, FOLDER, of_the_probe, volumes_of_the_probe

from slipway import engine, image_refs, settings


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
    # Two folders use this fixture, and each takes it down.
    with suppress(ImageNotFound):
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
    left = (of_the_probe(client), volumes_of_the_probe(client))
    for container in left[0]:
        client.remove_container(container, v=True, force=True)
    client.remove_network(network)
    assert left == ([], [])
