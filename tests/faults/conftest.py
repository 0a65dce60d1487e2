"""One Airflow for all faults of this folder: the probe's image and network are there, nothing is left."""

import json
import shutil
import time

import pytest
from engine_fixtures import client, probe_image
from faults.airflow_parts import AirflowParts
from mlflow_gate import serving
from probe_runs import CANARY, FOLDER, of_the_probe, volumes_of_the_probe

from slipway import settings

__all__ = ["client", "probe_image"]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """A real MLflow behind a gate, which tasks reach and jobs do not."""
    with serving(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def dag_folder():
    return FOLDER


@pytest.fixture(scope="module")
def more_settings():
    """What a module's Airflow has otherwise than that of the others."""
    return {}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, client, probe_image, dag_folder, mlflow, more_settings):
    state, images = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("images")
    shutil.copy(settings.ROOT / "images" / "images.lock", images)
    (images / "images.local.json").write_text(json.dumps({"data": probe_image}))
    # Of a name of its own: other tests make, replace and remove the project's.
    network = client.create_network(f"{settings.read().project}-faults")["Id"]
    variables = {
        "SLIPWAY_JOBS": str(FOLDER / "jobs"),
        "SLIPWAY_IMAGES": str(images),
        "SLIPWAY_RUNTIME": "docker",
        "SLIPWAY_NETWORK": f"{settings.read().project}-faults",
        "AIRFLOW_VAR_SLIPWAY_ENV": json.dumps({"MLFLOW_TRACKING_URI": mlflow.url}),
        "AIRFLOW_VAR_SLIPWAY_SECRETS": json.dumps({"PROBE_KEY": CANARY}),
        **more_settings,
    }
    with AirflowParts(state, dag_folder, **variables) as parts:
        yield parts
    for container in of_the_probe(client):
        client.remove_container(container, v=True, force=True)
    client.remove_network(network)


@pytest.fixture
def nothing_left(client):
    """No container and no volume of the probe, seconds after a test at the latest."""
    yield
    until = time.monotonic() + 10
    while left := [*of_the_probe(client), *volumes_of_the_probe(client)]:
        assert time.monotonic() < until, left
        time.sleep(0.2)
