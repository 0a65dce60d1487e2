"""The MLflow run of one task instance, below that of its DAG run: found by identity or made, and closed as it ended."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from slipway.errors import SettingsError, TrackingAwayError, TrackingRefusedError
from slipway.labels import INSTANCE
from slipway.mlflow_session import API, PROXIED, Session

Tags = dict[str, str]
PARENT = "mlflow.parentRunId"
TRIES = "slipway.tries"
# The container that this run's job is in, by the start of its ID; a run whose job is a process has none.
CONTAINER = "slipway.container"
ERROR, KIND = "slipway.error", "slipway.failure_kind"
# What a run says of its end, and must not say of the try that goes on.
OF_THE_END = ("slipway.status", ERROR, "slipway.reason", KIND)
# What the run of a DAG run is told of its tasks.
OF_BOTH = ("slipway.pipeline", "slipway.airflow_url")
LONGEST_TAG, LONGEST_PARAMETER = 5000, 6000


@dataclass(frozen=True)
class Found:
    """One run as MLflow tells it."""

    run_id: str
    status: str
    start_time: int
    tags: Tags
    artifact_uri: str

    @classmethod
    def of(cls, run: dict[str, Any]) -> "Found":
        info = run["info"]
        tags = {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])}
        return cls(info["run_id"], info["status"], int(info["start_time"]), tags, info.get("artifact_uri", ""))


@dataclass(frozen=True)
class Closing:
    """How a run ended: MLflow's status, tags, metrics, and texts for its artifacts by path.

    `parameters` and `texts` are for a job that has told MLflow nothing by itself.
    """

    status: str
    tags: Tags
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: Tags = field(default_factory=dict)
    parameters: Tags = field(default_factory=dict)
    texts: Tags = field(default_factory=dict)


@dataclass
class TrackedRun:
    """An open run; `identity` is what goes into inputs.json."""

    session: Session
    inputs: dict[str, Any]
    experiment_id: str
    run_id: str
    parent_id: str

    @property
    def identity(self) -> dict[str, str]:
        return {"run_id": self.run_id, "experiment_id": self.experiment_id, "parent_run_id": self.parent_id}

    def close(self, closing: Closing) -> None:
        """Say how the job ended, then let the run above say how all of its own ended.

        Raises TrackingAwayError or TrackingRefusedError.
        """
        self.end(closing)
        self.settle()

    def end(self, closing: Closing) -> None:
        """Say how the job ended: the reason first, so that who sees that the run has ended sees why."""
        own = Found.of(self.session.ask("GET", f"{API}runs/get", params={"run_id": self.run_id})["run"])
        end_time = int(time.time() * 1000)
        # A job that has told of its own end has told all that it knows; a reaper, which names a kind, knew less.
        told = "slipway.status" in own.tags and KIND not in own.tags
        for name, text in (closing.artifacts if told else closing.texts | closing.artifacts).items():
            self.upload(own.artifact_uri, name, text)
        if not told:
            # An older try may have told them in other words.
            with suppress(TrackingRefusedError):
                self.batch(params=closing.parameters)
        if closing.status == "FINISHED":
            self.forget(own, (ERROR, KIND))
        metrics = [
            {"key": name, "value": value, "timestamp": end_time, "step": 0} for name, value in closing.metrics.items()
        ]
        self.batch(metrics=metrics, tags=closing.tags)
        self.status(self.run_id, closing.status, end_time)

    def forget(self, own: Found, names: tuple[str, ...]) -> None:
        """Remove what an earlier end said."""
        for name in names:
            if name in own.tags:
                self.session.ask("POST", f"{API}runs/delete-tag", json={"run_id": own.run_id, "key": name})

    def settle(self) -> None:
        """The run above, and the copies that an MLflow made late of a request that it seemed not to have heard."""
        runs = search(self.session, self.experiment_id, tagged(dag_run_tags(self.inputs)))
        parents = [run for run in runs if is_parent(run)] or [Found(self.parent_id, "", 0, {}, "")]
        # Others may have begun with another one: the oldest is the one that all agree on.
        if parents[0].run_id != self.parent_id:
            self.parent_id = parents[0].run_id
            self.batch(tags={PARENT: self.parent_id})
        mine = identity_tags(self.inputs)
        copies = [run for run in runs if mine.items() <= run.tags.items() and run.run_id != self.run_id]
        for copy in [*copies, *parents[1:]]:
            self.session.ask("POST", f"{API}runs/delete", json={"run_id": copy.run_id})
        self.status_above([run for run in runs if run not in copies])

    def status_above(self, runs: list[Found]) -> None:
        """Runs of one DAG run end side by side, so whoever has written the status above looks again."""
        told = ""
        while (status := together(runs)) != told:
            self.status(self.parent_id, status, None if status == "RUNNING" else int(time.time() * 1000))
            told, runs = status, search(self.session, self.experiment_id, tagged(dag_run_tags(self.inputs)))

    def status(self, run_id: str, status: str, end_time: int | None = None) -> None:
        ended = {} if end_time is None else {"end_time": end_time}
        self.session.ask("POST", f"{API}runs/update", json={"run_id": run_id, "status": status, **ended})

    def batch(
        self, metrics: list[dict[str, Any]] | None = None, tags: Tags | None = None, params: Tags | None = None
    ) -> None:
        told = {"metrics": metrics or [], "tags": listed(tags or {}), "params": listed(params or {})}
        self.session.ask("POST", f"{API}runs/log-batch", json={"run_id": self.run_id, **told})

    def upload(self, artifact_uri: str, name: str, text: str) -> None:
        """One artifact, where MLflow serves artifacts itself; elsewhere only the job has the keys to the store."""
        place = urlsplit(artifact_uri)
        if place.scheme != "mlflow-artifacts":
            return
        path = f"{PROXIED}{place.path.lstrip('/')}/{name}"
        self.session.ask("PUT", path, content=text.encode(), headers={"Content-Type": "application/octet-stream"})


def open_run(session: Session, inputs: dict[str, Any], container: str = "") -> TrackedRun:
    """The run of this task instance, made where no older try has; it is RUNNING, and so is that of its DAG run.

    `container` is the ID of the one that its job is in.

    Raises TrackingAwayError, TrackingRefusedError or SettingsError.
    """
    experiment_id = experiment_of(session, inputs["pipeline"])
    when = f" {(inputs['run']['requested_at'] or '')[:16].replace('T', ' ')}".rstrip()
    whole = f"One run of the DAG {inputs['run']['dag_id']}; its tasks are the runs below it."
    about = {name: value for name, value in descriptive_tags(inputs).items() if name in OF_BOTH}
    about["mlflow.note.content"] = note(inputs, whole, of_task=False)
    parent = found_or_made(session, experiment_id, parent_tags(inputs), f"{inputs['run']['dag_id']}{when}", about)
    about = descriptive_tags(inputs) | {
        PARENT: parent.run_id,
        "mlflow.note.content": note(inputs, f"{inputs['job']} of {inputs['pipeline']}"),
    }
    own = found_or_made(session, experiment_id, identity_tags(inputs), f"{inputs['job']}{when}", about)
    run = TrackedRun(session, inputs, experiment_id, own.run_id, parent.run_id)
    reopen(run, own, parent, container)
    return run


def reopen(run: TrackedRun, own: Found, parent: Found, container: str) -> None:
    """Forget how older tries ended, and count this one."""
    run.forget(own, OF_THE_END)
    tries = [text for text in own.tags.get(TRIES, "").split(",") if text]
    this = str(run.inputs["run"]["try_number"])
    now = {TRIES: ",".join(dict.fromkeys([*tries, this]))}
    run.batch(tags=now | ({CONTAINER: container[:12]} if container else {}))
    for one in (own, parent):
        if one.status != "RUNNING":
            run.status(one.run_id, "RUNNING")


def experiment_of(session: Session, name: str) -> str:
    """Raises SettingsError where the experiment was deleted."""
    asked = {"params": {"experiment_name": name}}
    while not (found := session.ask("GET", f"{API}experiments/get-by-name", **asked)):
        # Somebody else may make it at the same moment.
        with suppress(TrackingRefusedError):
            session.ask("POST", f"{API}experiments/create", json={"name": name})
    if found["experiment"].get("lifecycle_stage", "active") != "active":
        raise SettingsError(f"the MLflow experiment {name} is deleted: restore it or rename the pipeline")
    return str(found["experiment"]["experiment_id"])


def found_or_made(session: Session, experiment_id: str, tags: Tags, name: str, about: Tags) -> Found:
    """The oldest run with these tags; MLflow has no unique key, so it is looked for again once it was made."""
    while True:
        if found := search(session, experiment_id, tagged(tags)):
            return found[0]
        made = {
            "experiment_id": experiment_id,
            "run_name": name,
            "start_time": int(time.time() * 1000),
            "tags": listed(tags | about),
        }
        try:
            session.once("POST", f"{API}runs/create", json=made)
        except TrackingAwayError as error:
            # It may have been made all the same.
            session.bear(error)


def search(session: Session, experiment_id: str, words: str) -> list[Found]:
    """Runs that MLflow's filter language names, the oldest first."""
    asked = {"experiment_ids": [experiment_id], "filter": words, "max_results": 1000}
    runs = (session.ask("POST", f"{API}runs/search", json=asked) or {}).get("runs", [])
    return sorted(map(Found.of, runs), key=lambda run: (run.start_time, run.run_id))


def tagged(tags: Tags) -> str:
    """The filter of runs with all of these tags."""
    return " and ".join(f"tags.`{name}` = {quoted(value)}" for name, value in tags.items())


def quoted(value: str) -> str:
    """A text in MLflow's filter language, which has two kinds of quotes and no escape.

    Raises TrackingRefusedError for a text with both.
    """
    if "'" in value and '"' in value:
        raise TrackingRefusedError(f"MLflow can't be asked for {value!r}: a run ID may hold one kind of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"


def together(runs: list[Found]) -> str:
    """The status of a DAG run's own run, by those below it."""
    states = {run.status for run in runs if not is_parent(run)}
    return next((one for one in ("RUNNING", "FAILED") if one in states), "FINISHED")


def is_parent(run: Found) -> bool:
    return run.tags.get("slipway.parent") == "true"


def dag_run_tags(inputs: dict[str, Any]) -> Tags:
    return {f"slipway.{name}": str(inputs["run"][name]) for name in ("dag_id", "run_id")}


def parent_tags(inputs: dict[str, Any]) -> Tags:
    return dag_run_tags(inputs) | {"slipway.parent": "true"}


def identity_tags(inputs: dict[str, Any]) -> Tags:
    """What names this task instance, whatever its try."""
    return {f"slipway.{name}": str(inputs["run"][name]) for name in INSTANCE}


def descriptive_tags(inputs: dict[str, Any]) -> Tags:
    image, run = inputs["image"], inputs["run"]
    known = {
        "pipeline": inputs["pipeline"],
        "job": inputs["job"],
        "image": image.get("name") and f"{image['name']}/{image.get('version')}",
        "image_id": image.get("id"),
        "revision": image.get("revision"),
        "lock": image.get("lock"),
        "airflow_url": run.get("airflow_url"),
    }
    return {f"slipway.{name}": str(value) for name, value in known.items() if value}


def note(inputs: dict[str, Any], about: str, of_task: bool = True) -> str:
    """What people read on the run until its job says more."""
    run = inputs["run"]
    to_task = run.get("airflow_url") or ""
    to_run, at_task, _ = to_task.partition("/tasks/")
    address = to_task if of_task else to_run
    where = f"[{run['dag_id']}]({address})" if at_task else run["dag_id"]
    return f"{about}\n\n- **Airflow**: {where}\n- **DAG run**: `{run['run_id']}`"


def listed(pairs: Tags) -> list[Tags]:
    return [{"key": name, "value": value[:LONGEST_TAG]} for name, value in pairs.items()]


def parameters(inputs: dict[str, Any]) -> Tags:
    """A job's parameters as MLflow keeps them: each as text, those without a value left out."""
    given = inputs.get("parameters") or {}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return {name: text[:LONGEST_PARAMETER] for name, text in texts.items() if text not in ("", "null")}
