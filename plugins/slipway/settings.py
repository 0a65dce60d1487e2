"""How this deployment runs jobs: read from the environment, and from an untracked `.env` beside the Makefile."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
# A bundle carries contracts and image references inside the package, since its two folders may be mounted anywhere.
BUNDLED = Path(__file__).resolve().parent / "bundled"
HOME = BUNDLED if BUNDLED.is_dir() else ROOT
RUNTIMES = ("docker", "process")
LAKE_IN_CONTAINER = "/lake"


@dataclass(frozen=True)
class Settings:
    """One deployment.

    `project` prefixes the names of networks, volumes and containers, so that two checkouts can share an engine.
    `runtime` is `docker` or `process`; empty is docker in a task, while `slipway` and `make` look for an engine.
    `state` is the untracked folder of this checkout. `mlflow_port` is published on loopback only.
    `network` is the one that every job joins, `egress_network` the one that a job joins beside it to reach out.
    `lake_volume` names a volume, or with an absolute path a folder of the engine's host.
    `lost_seconds` is how long a job may be paused, or its engine silent, before the job counts as lost.
    """

    project: str
    runtime: str
    state: Path
    mlflow_port: int
    network: str
    egress_network: str
    lake_volume: str
    retries: int
    retry_delay_seconds: int
    lost_seconds: int
    jobs: Path
    images: Path
    pipelines: tuple[Path, ...]

    @property
    def mlflow_container(self) -> str:
        return f"{self.project}-mlflow"

    @property
    def mlflow_volume(self) -> str:
        return f"{self.project}-mlflow"

    @property
    def mlflow_url(self) -> str:
        """The address that people and links use; containers reach the server by its name on the network."""
        return f"http://127.0.0.1:{self.mlflow_port}"


def given() -> dict[str, str]:
    """What is set: in the environment, else in `.env`."""
    return {**dotenv(HOME / ".env"), **os.environ}


def read(dags: Path | None = None, told: dict[str, str] | None = None) -> Settings:
    """Read the settings at the moment of the call; pipelines are found beside the DAG files of the folder `dags`.

    Raises SettingsError for a value that can't be used.
    """
    told = given() if told is None else told
    project = told.get("SLIPWAY_PROJECT") or "slipway"
    network = told.get("SLIPWAY_NETWORK") or project
    return Settings(
        project=project,
        runtime=one_of("SLIPWAY_RUNTIME", told.get("SLIPWAY_RUNTIME", ""), ("", *RUNTIMES)),
        state=Path(told.get("SLIPWAY_STATE") or HOME / ".slipway").absolute(),
        mlflow_port=whole("MLFLOW_PORT", told.get("MLFLOW_PORT") or "5050", 1, 65535),
        network=network,
        egress_network=told.get("SLIPWAY_EGRESS_NETWORK") or f"{network}-egress",
        lake_volume=told.get("SLIPWAY_LAKE_VOLUME") or f"{project}-lake",
        retries=whole("SLIPWAY_RETRIES", told.get("SLIPWAY_RETRIES") or "2", 0, 100),
        retry_delay_seconds=whole("SLIPWAY_RETRY_DELAY", told.get("SLIPWAY_RETRY_DELAY") or "30", 0, 86_400),
        lost_seconds=whole("SLIPWAY_LOST_SECONDS", told.get("SLIPWAY_LOST_SECONDS") or "120", 1, 86_400),
        jobs=Path(told.get("SLIPWAY_JOBS") or HOME / "jobs"),
        images=Path(told.get("SLIPWAY_IMAGES") or HOME / "images"),
        pipelines=pipeline_folders(dags, told.get("SLIPWAY_PIPELINES", "")),
    )


def own_dags() -> Path:
    """Where the DAG files are, for who is none of them: in an Airflow of others', where it looks for DAGs."""
    if HOME == ROOT:
        return ROOT / "dags"
    from airflow.sdk.configuration import conf

    return Path(conf.get("core", "dags_folder"))


def pipeline_folders(dags: Path | None, more: str) -> tuple[Path, ...]:
    """The folders with pipelines, each once."""
    home = dags if dags and (dags / "pipelines").is_dir() else own_dags()
    folders = [home / "pipelines", *map(Path, filter(None, more.split(os.pathsep)))]
    return tuple({folder.resolve(): folder for folder in folders}.values())


def dotenv(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of an env file; an absent file is an empty one."""
    if not path.is_file():
        return {}
    pairs = (
        re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)", line)
        for line in path.read_text("utf-8", "replace").splitlines()
    )
    return {pair[1]: pair[2].strip().strip("'\"") for pair in pairs if pair}


def one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        choices = ", ".join(known[1:])
        raise SettingsError(f"{name}={value!r} is not one of {choices}: correct it in the environment or in .env")
    return value


def whole(name: str, value: str, low: int, high: int) -> int:
    if not value.isdigit() or not low <= int(value) <= high:
        raise SettingsError(f"{name}={value!r} is not a whole number from {low} to {high}: correct it in .env")
    return int(value)
