"""A job that is no Python, through the one operator: in its own image, with its own command."""

import hashlib
import io
import json
import tarfile

import pytest
from probe_runs import Instance, Run, Store
from small_images import BASE

from slipway import engine, settings
from slipway.embedded import engine_project
from slipway.failures import BadDataError
from slipway.hardening import JOB_USER

pytestmark = pytest.mark.containers
RIDES = b"day,rides\n2026-01-01,7\n"
SUM = hashlib.sha256(RIDES).hexdigest()


@pytest.fixture
def deployed(monkeypatch, airflow_db, job_images, tmp_path):
    """An embedded deployment without MLflow, whose jobs are told of a lake in a volume."""
    monkeypatch.setenv("SLIPWAY_PROJECT", f"{settings.read().project}-foreign")
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"LAKE_URI": "/lake"}))
    with engine.connect() as client:
        engine_project.prepare(client, settings.read())
        yield settings.read()
        left = client.containers(all=True, filters=engine_project.owned(settings.read()))
        engine_project.remove_containers(client, settings.read())
        engine_project.remove_data(client, settings.read())
        assert left == []


def land(deployed, **files):
    """Put files into the lake's landing folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"landing/{name}")
            member.size, member.uid, member.gid, member.mode = len(content), JOB_USER, JOB_USER, 0o644
            archive.addfile(member, io.BytesIO(content))
    with engine.connect() as client:
        mounted = client.create_host_config(binds=[f"{deployed.lake_volume}:/lake"])
        made = client.create_container(BASE, ["true"], host_config=mounted)["Id"]
        client.put_archive(made, "/lake", buffer.getvalue())
        client.remove_container(made, v=True)


def run():
    """The task's result, and its log."""
    from slipway.job_operator import JobOperator
    from slipway.pipelines import Pipeline

    task, instance = (
        JobOperator(job="checksums", pipeline=Pipeline("rides", settings.ROOT, {})),
        Instance(store=Store()),
    )
    lines = []
    task.log_line = lines.append
    context = {"params": {}, "ti": instance, "dag_run": Run(), "task_state_store": instance.store}
    return task.execute(context), lines


def test_a_shell_script_is_a_job_like_any_other(deployed):
    land(deployed, **{"rides.csv": RIDES, "SHA256SUMS": f"{SUM}  rides.csv\n".encode()})
    outputs, lines = run()
    assert outputs["counts"] == {"files": 2, "bytes": len(RIDES) + 76, "lists": 1}
    assert f"{SUM} {len(RIDES)} rides.csv" in lines


def test_what_a_shell_script_refuses_is_bad_data_to_the_task(deployed):
    land(deployed, **{"rides.csv": RIDES, "SHA256SUMS": f"{'0' * 64}  rides.csv\n".encode()})
    with pytest.raises(BadDataError, match="checksums: bad data: a delivery in /lake/landing is not as its SHA256SUMS"):
        run()
