"""One Airflow of its own for the whole session, with nothing of the user's in it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="slipway-tests-"))

# Airflow reads these when it is first imported, so they stand here and not in a fixture.
os.environ.update(
    AIRFLOW_HOME=str(HOME / "airflow"),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    SLIPWAY_PROJECT=f"slipway-test-{os.getpid()}",
    SLIPWAY_STATE=str(HOME / "state"),
    SLIPWAY_RETRIES="0",
)
os.environ.pop("SLIPWAY_PIPELINES", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an engine where none answers, and say so."""
    needing = [item for item in items if item.get_closest_marker("containers")]
    if needing and (reason := why_no_containers()):
        for item in needing:
            item.add_marker(pytest.mark.skip(reason=reason))


def why_no_containers() -> str | None:
    from slipway import engine
    from slipway.errors import EngineAwayError

    try:
        engine.connect(timeout_seconds=5).close()
    except EngineAwayError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """The metadata database of this session's Airflow."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def job_images() -> None:
    """The images of this checkout; those that are up to date are kept."""
    subprocess.run([sys.executable, ROOT / "images" / "build.py", "data", "model", "shell", "mlflow"], check=True)
