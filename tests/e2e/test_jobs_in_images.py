"""The jobs' own tests, run inside the images that were built: what is shipped is what was tested."""

import io
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from demo_runs import Deployment

from slipway import engine, image_refs, settings

pytestmark = pytest.mark.containers
PYTEST = ("_pytest", "pytest", "py", "iniconfig", "packaging", "pluggy", "pygments")
HOME = "/opt/slipway"
INI = b"[pytest]\nfilterwarnings = error\n"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, job_images):
    deployment = Deployment(tmp_path_factory.mktemp("in-images"), "tests", SLIPWAY_RUNTIME="docker")
    started = deployment.slipway("mlflow")
    assert started.returncode == 0, started.stderr
    yield deployment
    deployment.down()


def luggage(jobs):
    """A tar with the tests, pytest itself, and the jobs that this image leaves to another."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(settings.ROOT / "tests" / "jobs", "tests/jobs", filter=as_source)
        for job in jobs:
            archive.add(settings.ROOT / "jobs" / job, f"jobs/{job}", filter=as_source)
        for name in PYTEST:
            origin = Path(find_spec(name).origin)
            place = origin.parent if origin.name == "__init__.py" else origin
            archive.add(place, f"pytest/{place.name}", filter=as_source)
        ini = tarfile.TarInfo("pytest.ini")
        ini.size = len(INI)
        archive.addfile(ini, io.BytesIO(INI))
    return buffer.getvalue()


def as_source(member):
    return None if "__pycache__" in member.name else member


def run_in(image, deployment, jobs, tests):
    """The exit code and the output of pytest in a container of the image."""
    client = engine.connect()
    container = client.create_container(
        image=image_refs.built_here(settings.ROOT / "images")[image],
        command=["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", f"{HOME}/pytest.ini", *tests],
        environment={"SLIPWAY_TEST_MLFLOW": "http://mlflow:5000", "PYTHONPATH": f"{HOME}/pytest"},
        labels={"slipway.project": deployment.project},
        host_config=client.create_host_config(network_mode=deployment.project),
    )
    try:
        client.put_archive(container, HOME, luggage(jobs))
        client.start(container)
        code = client.wait(container)["StatusCode"]
        return code, client.logs(container).decode()
    finally:
        client.remove_container(container, v=True, force=True)
        client.close()


@pytest.mark.parametrize(
    ("image", "jobs", "tests"),
    [
        ("data", [], ["ingest_files", "ingest_rows"]),
        ("model", ["ingest"], ["contract", "train", "promote", "predict"]),
    ],
)
def test_the_jobs_tests_pass_in_the_image_that_runs_them(deployment, image, jobs, tests):
    code, output = run_in(image, deployment, jobs, [f"tests/jobs/test_{name}.py" for name in tests])
    assert code == 0, output[-5000:]
    assert " passed" in output
