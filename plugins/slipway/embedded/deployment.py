"""The embedded deployment: what it takes beside Airflow, where it stores, and how it is taken down again."""

import shutil
from contextlib import suppress

from slipway import engine, settings
from slipway.embedded import engine_project, tracking_process, tracking_server
from slipway.errors import EngineAwayError
from slipway.settings import Settings


def runtime(deployed: Settings) -> str:
    """`docker` or `process`: what was set, else docker where an engine answers.

    Raises EngineAwayError when docker was set and no engine answers.
    """
    if deployed.runtime == "docker":
        engine.connect().close()
    return deployed.runtime or ("docker" if engine.answers() else "process")


@engine_project.faults_told()
def described(runtime: str, deployed: Settings) -> str:
    """One line that says which runtime it is, and why."""
    if runtime == "docker":
        with engine.connect() as client:
            version = client.version()["Version"]
        return f"runtime: docker (engine {version} at {engine.host()})"
    why = "SLIPWAY_RUNTIME says so" if deployed.runtime else f"no Docker engine answers at {engine.host()}"
    return f"runtime: process, because {why}"


def job_environment(runtime: str, deployed: Settings) -> dict[str, str]:
    """What jobs are told of the services around them, by name; the addresses are those that jobs see.

    But for MLFLOW_PUBLIC_URL, which no job sees: it is where the links in Airflow lead to.
    """
    in_docker = runtime == "docker"
    return {
        "LAKE_URI": settings.LAKE_IN_CONTAINER if in_docker else str(deployed.state / "lake"),
        "MLFLOW_TRACKING_URI": "http://mlflow:5000" if in_docker else deployed.mlflow_url,
        "MLFLOW_PUBLIC_URL": deployed.mlflow_url,
    }


@engine_project.faults_told()
def up(runtime: str, deployed: Settings) -> None:
    """Start MLflow; the one of the other runtime is stopped first, since both want the same port."""
    if runtime == "docker":
        tracking_process.stop(deployed)
        with engine.connect() as client:
            tracking_server.up(client, deployed)
        return
    # No engine at all is what this runtime is for.
    with suppress(EngineAwayError), engine.connect(timeout_seconds=5) as client:
        engine_project.remove_service(client, deployed)
    (deployed.state / "lake").mkdir(parents=True, exist_ok=True)
    tracking_process.up(deployed)


@engine_project.faults_told()
def stop(deployed: Settings, volumes: bool) -> list[str]:
    """Take down what runs, and with `volumes` what is stored; tells what was removed."""
    removed = ["process MLflow"] if tracking_process.stop(deployed) else []
    # Where docker was asked for, an engine that is away is a fault and not an empty answer.
    if deployed.runtime == "docker" or engine.answers():
        with engine.connect() as client:
            removed += engine_project.remove_containers(client, deployed)
            removed += engine_project.remove_data(client, deployed) if volumes else []
    return removed + (remove_folders(deployed) if volumes else [])


def remove_folders(deployed: Settings) -> list[str]:
    folders = [deployed.state / name for name in ("lake", "mlflow") if (deployed.state / name).exists()]
    for folder in folders:
        shutil.rmtree(folder)
    return [f"folder {folder}" for folder in folders]
