"""Airflow of this checkout: its database and logs in the state folder, its DAGs and plugins from this repository."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

from slipway import settings
from slipway.embedded import deployment
from slipway.errors import AirflowHomeError
from slipway.settings import Settings

VARIABLE = "AIRFLOW_VAR_SLIPWAY_ENV"


def airflow_environment(runtime: str, deployed: Settings) -> dict[str, str]:
    """What to set before Airflow is imported or started; what a person has set of the second part stays."""
    home = deployed.state / "airflow"
    fixed = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A database of the person's own must never be the one that a demo migrates.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        # Tasks must not choose again: an engine that comes up meanwhile has no MLflow and another lake.
        "SLIPWAY_RUNTIME": runtime,
    }
    preferred = {
        VARIABLE: json.dumps(deployment.job_environment(runtime, deployed)),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return {**{name: os.environ.get(name) or value for name, value in preferred.items()}, **fixed}


def prepare(runtime: str, deployed: Settings) -> dict[str, str]:
    """The whole environment of an Airflow program of this checkout; its home is there."""
    (deployed.state / "airflow").mkdir(parents=True, exist_ok=True)
    return {**os.environ, **airflow_environment(runtime, deployed)}


def run(arguments: list[str], deployed: Settings) -> None:
    """Become the airflow command of this virtual environment, its database brought up to date first."""
    environment = prepare(deployment.runtime(deployed), deployed)
    migrate(environment)
    command = Path(sys.executable).with_name("airflow")
    # `airflow standalone` starts its parts by name.
    environment["PATH"] = os.pathsep.join([str(command.parent), environment.get("PATH", os.defpath)])
    os.execve(command, ["airflow", *arguments], environment)  # noqa: S606 - the person's own arguments, no shell


def migrate(environment: dict[str, str]) -> None:
    """Bring the database to this version of Airflow; a stamp in the home says when that was done already."""
    home = Path(environment["AIRFLOW_HOME"])
    # Airflow itself takes seconds to find that there is nothing to do.
    if stamp(home).exists() and (home / "airflow.db").exists():
        return
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise AirflowHomeError(
            f"Airflow's database in {home} can't be brought up to date: {''.join(said)}:"
            " mend that, or remove the folder to begin with an empty one"
        )
    for other in home.glob("migrated-*"):
        other.unlink(missing_ok=True)
    stamp(home).touch()


def stamp(home: Path) -> Path:
    return home / f"migrated-{importlib.metadata.version('apache-airflow-core')}"
