"""The pipeline's registered model: its versions, found by tags, and its aliases."""

import contextlib
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException

from jobs import notes
from jobs.errors import UsageError
from jobs.tracking import TrackedRun

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version; tags without their `slipway.` in front."""

    name: str
    number: int
    run_id: str
    source: str
    tags: dict[str, str]

    def told(self, alias: str) -> dict[str, object]:
        """The model as outputs.json names it."""
        return {"name": self.name, "version": self.number, "run_id": self.run_id, "alias": alias}


def versions(run: TrackedRun) -> list[ModelVersion]:
    """All versions of the pipeline's model, newest first."""
    name = run.pipeline.replace("'", "''")
    found = run.client.search_model_versions(f"name='{name}'", max_results=10_000)
    return sorted((_version(entry) for entry in found), key=lambda version: -version.number)


def _version(entry: mlflow.entities.model_registry.ModelVersion) -> ModelVersion:
    tags = {name.removeprefix("slipway."): value for name, value in (entry.tags or {}).items()}
    return ModelVersion(entry.name, int(entry.version), entry.run_id or "", entry.source or "", tags)


def aliases(run: TrackedRun) -> dict[str, int]:
    """The version number behind each alias."""
    try:
        return {alias: int(number) for alias, number in run.client.get_registered_model(run.pipeline).aliases.items()}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def by_alias(run: TrackedRun, alias: str) -> ModelVersion | None:
    number = aliases(run).get(alias)
    return None if number is None else _version(run.client.get_model_version(run.pipeline, str(number)))


def asked(run: TrackedRun, model: str) -> ModelVersion | None:
    """The version behind an alias; or the one of that number.

    Raises UsageError where there is no such number.
    """
    return numbered(run, int(model)) if model.isdigit() else by_alias(run, model)


def numbered(run: TrackedRun, number: int) -> ModelVersion:
    """Raises UsageError where there is no such version."""
    known = versions(run)
    found = next((version for version in known if version.number == number), None)
    if found is None:
        there = f"the newest is {known[0].number}" if known else "there is none yet: has train run?"
        raise UsageError(f"model: {run.pipeline} has no version {number}; {there}")
    return found


def register(run: TrackedRun, source: str, tags: dict[str, object], note: str) -> ModelVersion:
    """A new version of the pipeline's model, with all its tags from its first moment."""
    with contextlib.suppress(MlflowException):
        run.client.create_registered_model(run.pipeline)
    run.client.update_registered_model(run.pipeline, notes.of_model(run.inputs))
    texts = {f"slipway.{name}": str(value) for name, value in tags.items() if value is not None}
    model_id = source.removeprefix("models:/")
    created = run.client.create_model_version(
        run.pipeline, source, run_id=run.id, tags=texts, description=note, await_creation_for=0, model_id=model_id
    )
    return _version(created)


def add_note(run: TrackedRun, version: ModelVersion, text: str) -> None:
    """Add to a version's page, once."""
    number = str(version.number)
    there = run.client.get_model_version(run.pipeline, number).description or ""
    if text not in there:
        run.client.update_model_version(run.pipeline, number, there + text)


def set_alias(run: TrackedRun, alias: str, version: ModelVersion) -> None:
    run.client.set_registered_model_alias(run.pipeline, alias, str(version.number))
