"""One MLflow run per container and one parent per DAG run, found or created by identity tags."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

# mlflow reads these while it is imported.
for _name, _value in {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402
from mlflow.entities import Run as MlflowRun  # noqa: E402
from mlflow.entities import RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from jobs import notes  # noqa: E402
from jobs.errors import UsageError  # noqa: E402
from jobs.identity import Inputs  # noqa: E402
from jobs.outcome import Outcome  # noqa: E402

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackedRun:
    """The MLflow run that this container writes to, and the inputs it was started with."""

    inputs: Inputs
    id: str
    experiment_id: str
    client: mlflow.MlflowClient
    parent_id: str = ""

    @property
    def pipeline(self) -> str:
        return self.inputs.pipeline

    def tag(self, **tags: object) -> None:
        found = [RunTag(f"slipway.{name}", str(value)) for name, value in tags.items()]
        self.client.log_batch(self.id, tags=found)

    def close(self, outcome: Outcome) -> Outcome:
        """End the run as the job ended, with outputs and, for a failure, the reason on it."""
        # A job that is stopped has seconds left, and an artifact may take them all.
        if not outcome.stopped:
            self.client.log_dict(self.id, outcome.document(), "slipway/outputs.json")
        self.end(outcome)
        mlflow.end_run("FAILED" if outcome.error else "FINISHED")
        return outcome

    def end(self, outcome: Outcome) -> None:
        """Status and reason of the run; its parent, too, ends as the job that ended last."""
        tags: dict[str, object] = {"status": outcome.status}
        if outcome.reason:
            tags["error" if outcome.error else "reason"] = outcome.reason[:5000]
        if outcome.tables:
            tags["data_version"] = json.dumps({name: table.get("version") for name, table in outcome.tables.items()})
        told = [RunTag(f"slipway.{name}", str(value)) for name, value in tags.items()]
        # One call: a job that is stopped has no time for two.
        self.client.log_batch(self.id, tags=[*told, RunTag(notes.NOTE, notes.of_run(self.inputs, outcome))])
        for run_id in filter(None, (self.id, self.parent_id)):
            self.client.set_terminated(run_id, "FAILED" if outcome.error else "FINISHED")

    def begin(self, tags: dict[str, str]) -> None:
        """Say what this try runs in, and forget how an older one ended."""
        there = tags.keys() & {"slipway.status", "slipway.error", "slipway.reason"}
        for name in sorted(there):
            self.client.delete_tag(self.id, name)
        tries = [text for text in tags.get("slipway.tries", "").split(",") if text]
        now = descriptive_tags(self.inputs) | {
            "slipway.tries": ",".join(dict.fromkeys([*tries, str(self.inputs.run.try_number)]))
        }
        now |= {notes.NOTE: notes.of_run(self.inputs), "mlflow.source.name": f"jobs/{self.inputs.job}"}
        self.client.log_batch(self.id, tags=[RunTag(name, value) for name, value in now.items()])
        self.client.update_run(self.parent_id, status="RUNNING")
        self.client.log_dict(
            self.id, self.inputs.model_dump(mode="json", exclude={"mlflow", "fingerprint"}), "slipway/inputs.json"
        )


def identity_tags(inputs: Inputs) -> dict[str, str]:
    """The tags that name this task instance, whatever its try."""
    run = inputs.run
    tags = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": run.task_id, "map_index": run.map_index}
    return {f"slipway.{name}": str(value) for name, value in tags.items()}


def descriptive_tags(inputs: Inputs) -> dict[str, str]:
    image, run = inputs.image, inputs.run
    tags = {
        "pipeline": inputs.pipeline,
        "job": inputs.job,
        "image": image.reference,
        "image_id": image.id,
        "revision": image.revision,
        "lock": image.lock,
        "airflow_url": run.airflow_url,
    }
    return {f"slipway.{name}": str(value) for name, value in tags.items() if value is not None}


def _experiment(client: mlflow.MlflowClient, inputs: Inputs) -> str:
    name, note = inputs.pipeline, notes.of_experiment(inputs)
    found = client.get_experiment_by_name(name)
    if found is None:
        with contextlib.suppress(MlflowException):
            client.create_experiment(name)
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise UsageError(f"the MLflow experiment {name} is deleted: restore it or rename the pipeline")
    if found.tags.get(notes.NOTE) != note:
        client.set_experiment_tag(found.experiment_id, notes.NOTE, note)
    return str(found.experiment_id)


def _search(client: mlflow.MlflowClient, experiment_id: str, tags: dict[str, str]) -> list[MlflowRun]:
    # MLflow's filter knows no escape, but two kinds of quotes.
    quoted = {name: f'"{value}"' if "'" in value else f"'{value}'" for name, value in tags.items()}
    text = " and ".join(f"tags.`{name}` = {value}" for name, value in quoted.items())
    found = client.search_runs([experiment_id], text)
    return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))


def find_or_create(
    client: mlflow.MlflowClient, experiment_id: str, name: str, tags: dict[str, str], more: dict[str, str]
) -> MlflowRun:
    """The oldest run with these identity tags; MLflow has no unique key, so it is searched again after creating."""
    found = _search(client, experiment_id, tags)
    if found:
        return found[0]
    created = client.create_run(experiment_id, run_name=name, tags=tags | more)
    oldest = next(iter(_search(client, experiment_id, tags)), created)
    if oldest.info.run_id != created.info.run_id:
        client.delete_run(created.info.run_id)
    return oldest


def _own(client: mlflow.MlflowClient, inputs: Inputs) -> tuple[MlflowRun, str]:
    """This job's run and the ID of the one above it: those that the caller has opened, else found or made here."""
    experiment_id = _experiment(client, inputs)
    if inputs.mlflow:
        return client.get_run(inputs.mlflow.run_id), inputs.mlflow.parent_run_id
    when = inputs.run.requested_at[:16].replace("T", " ")
    dag_run = {"slipway.dag_id": inputs.run.dag_id, "slipway.run_id": inputs.run.run_id, "slipway.parent": "true"}
    about = {"slipway.pipeline": inputs.pipeline, notes.NOTE: notes.of_parent(inputs)}
    if inputs.run.airflow_url:
        about["slipway.airflow_url"] = inputs.run.airflow_url.partition("/tasks/")[0]
    parent = find_or_create(client, experiment_id, f"{inputs.run.dag_id} {when}", dag_run, about)
    more = descriptive_tags(inputs) | {"mlflow.parentRunId": parent.info.run_id}
    own = find_or_create(client, experiment_id, f"{inputs.job} {when}", identity_tags(inputs), more)
    return own, parent.info.run_id


@contextlib.contextmanager
def run(inputs: Inputs) -> Iterator[TrackedRun]:
    """The run of this task instance, resumed where an older try has made it; closed as FAILED if left open."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise UsageError("MLFLOW_TRACKING_URI is not set: give it the address of the MLflow server")
    client = mlflow.MlflowClient()
    own, parent_id = _own(client, inputs)
    experiment_id = own.info.experiment_id
    tracked = TrackedRun(inputs, own.info.run_id, experiment_id, client, parent_id)
    mlflow.set_experiment(experiment_id=experiment_id)
    try:
        with mlflow.start_run(run_id=tracked.id, log_system_metrics=False):
            tracked.begin(own.data.tags)
            log.info("MLflow run %s of %s.%s, try %s", tracked.id, inputs.pipeline, inputs.job, inputs.run.try_number)
            yield tracked
    except BaseException:
        client.set_terminated(parent_id, "FAILED")
        raise


@contextlib.contextmanager
def replay(inputs: Inputs) -> Iterator[TrackedRun]:
    """A run of its own for a replay: without the identity tags, so that it is never taken for the task's."""
    if inputs.replay is None or not os.environ.get("MLFLOW_TRACKING_URI"):
        raise UsageError("MLFLOW_TRACKING_URI is not set: give it the address of the MLflow server")
    client = mlflow.MlflowClient()
    experiment_id = _experiment(client, inputs)
    when = inputs.run.requested_at[:16].replace("T", " ")
    tags = {"slipway.replay_of": inputs.replay.of, "slipway.replay": inputs.replay.lake.rpartition("/")[2]}
    tags |= descriptive_tags(inputs) | {notes.NOTE: notes.of_run(inputs)}
    made = client.create_run(experiment_id, run_name=f"replay of {inputs.job} {when}", tags=tags)
    tracked = TrackedRun(inputs, made.info.run_id, experiment_id, client)
    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_run(run_id=tracked.id, log_system_metrics=False):
        client.log_dict(tracked.id, inputs.model_dump(mode="json"), "slipway/inputs.json")
        log.info("MLflow run %s replays %s", tracked.id, inputs.replay.of)
        yield tracked
