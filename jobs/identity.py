"""Who runs: the run and image identity that inputs.json carries."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class RunIdentity(BaseModel):
    """The Airflow task instance a job runs for; times are ISO texts, `requested_at` stands in for a clock."""

    model_config = ConfigDict(extra="ignore")

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    logical_date: str | None = None
    interval_start: str | None = None
    interval_end: str | None = None
    requested_at: str
    airflow_url: str | None = None
    pipeline_description: str | None = None


class ImageIdentity(BaseModel):
    """What the job runs in; `id` is None outside a container."""

    model_config = ConfigDict(extra="ignore")

    name: str
    version: str = "0"
    id: str | None = None
    revision: str | None = None
    lock: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def code(self) -> str:
        """What decides whether a rerun would run the same code: the image, else the commit and the lock."""
        return self.id or f"{self.revision}:{self.lock}"


class MlflowIdentity(BaseModel):
    """The MLflow run that the caller has opened for this job."""

    model_config = ConfigDict(extra="ignore")

    run_id: str
    experiment_id: str
    parent_run_id: str


class Replay(BaseModel):
    """That a past run is done once more, beside the real tables.

    `of` is its MLflow run, `lake` the folder of the lake to write in, `tables` the versions that were read then (None
    where there was no such table yet), `models` the version behind an alias then.
    """

    model_config = ConfigDict(extra="forbid")

    of: str
    lake: str = Field(pattern="^replays/[0-9a-f]{12}$")
    tables: dict[str, int | None] = {}
    models: dict[str, int] = {}


class Inputs(BaseModel):
    """inputs.json, version 1 of the contract."""

    model_config = ConfigDict(extra="forbid")

    slipway: Literal[1]
    job: str
    pipeline: str
    parameters: dict[str, Any] = {}
    run: RunIdentity
    image: ImageIdentity
    mlflow: MlflowIdentity | None = None
    fingerprint: dict[str, Any] | None = None
    replay: Replay | None = None
