"""What an older try of the same task left without a result goes before a new one begins."""

import json

import pytest
from probe_runs import Instance, context, probe_task

from slipway import settings

pytestmark = pytest.mark.containers


def left_by(client, image, try_number, **others):
    """A container such as a worker leaves that was killed."""
    names = {"dag_id": "probe.probe", "run_id": "manual__1", "task_id": "probe", "map_index": "-1", **others}
    labels = {f"slipway.{name}": value for name, value in names.items()}
    labels |= {"slipway.project": settings.read().project, "slipway.job": "probe", "slipway.try_number": try_number}
    return client.create_container(image, ["sleep", "600"], labels=labels)["Id"]


def test_a_new_try_removes_what_the_last_one_left_and_nothing_else(images, client):
    image = json.loads((images / "images.local.json").read_text())["data"]
    killed, never_started = left_by(client, image, "1"), left_by(client, image, "0")
    client.start(killed)
    client.kill(killed)
    others = [left_by(client, image, "1", run_id="manual__2"), left_by(client, image, "1", map_index="3")]
    task = probe_task()
    assert task.execute(context("done", Instance()))["status"] == "done"
    found = client.containers(all=True, filters={"label": f"slipway.project={settings.read().project}"})
    assert sorted(container["Id"] for container in found) == sorted(others)
    for gone in (killed, never_started):
        assert f"removing container {gone[:12]} that an older try of this task left" in task.lines
    for container in others:
        client.remove_container(container, force=True)
