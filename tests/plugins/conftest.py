"""What tests of the plugin share: the operator with a real engine and the probe's image, and a real MLflow."""

import socket
from dataclasses import replace

import pytest
from engine_fixtures import client, in_docker, probe_image

from slipway import ports, settings
from slipway.embedded import tracking_process

__all__ = ["client", "in_docker", "probe_image"]


@pytest.fixture(scope="module")
def tracking_deployed(tmp_path_factory):
    """A deployment without an engine, whose MLflow runs and holds nothing."""
    with socket.socket() as asked:
        asked.bind((ports.LOOPBACK, 0))
        port = asked.getsockname()[1]
    state = tmp_path_factory.mktemp("mlflow")
    deployed = replace(settings.read(), state=state, mlflow_port=port, runtime="process")
    tracking_process.up(deployed)
    yield deployed
    tracking_process.stop(deployed)


@pytest.fixture(scope="module")
def mlflow(tracking_deployed):
    """The address of that MLflow."""
    return tracking_deployed.mlflow_url
