"""Let a model, by default the champion, predict what it has not predicted yet, or whose raw data changed since."""

import logging
from typing import Any

import pyarrow as pa

from jobs import content, lake, ledger, model_store, registry
from jobs.errors import EmptyWindowError, NothingToDo, UsageError
from jobs.identity import Replay
from jobs.outcome import Outcome
from jobs.predict.parameters import Parameters
from jobs.predict.rows import Predictor
from jobs.predict.window import Hashes, Window, predicted
from jobs.registry import ModelVersion
from jobs.tracking import TrackedRun

log = logging.getLogger(__name__)


def predict(parameters: Parameters, run: TrackedRun) -> Outcome:
    """Write all predictions in one commit; raises NothingToDo without a champion or without work."""
    version, alias = chosen(parameters, run)
    model = model_store.load(version)
    raw = lake.open_table(f"{run.pipeline}/raw")
    if raw is None:
        raise EmptyWindowError(f"there is no table {run.pipeline}/raw: has ingest run?")
    dataset = raw.to_pyarrow_dataset()
    window = Window.of(parameters, lake.DAY in dataset.schema.names, model.card)
    digests = content.digests_by_day(dataset.to_batches(filter=window.filter()))
    if not digests:
        none_there(parameters, window, raw.version())
    hashes = {day: digest.hexdigest(dataset.schema) for day, digest in digests.items()}
    name = f"{run.pipeline}/predictions"
    table = lake.open_table(name)
    before = {} if parameters.force else predicted(table, window, version.number, counted(run, version, alias))
    todo: Hashes = {day: digest for day, digest in hashes.items() if before.get(day) != digest}
    predictor = Predictor(model, dataset, parameters.key, run.inputs.run.run_id, raw.version())
    table = table or lake.create_table(name, predictor.schema, [lake.DAY] * window.has_day)
    fence = lake.Fence.of(run.inputs.run, name)
    counts = {"rows": sum(digests[day].rows for day in todo)} | ({"days": len(todo)} if window.has_day else {})
    made: dict[str, Any] = {}
    if todo and not already_forced(parameters, lake.committed_try(table, fence)):
        log.info("predicting %s rows %s with version %s", f"{counts['rows']:,}", window, version.number)
        witness = content.Witness()
        rows = pa.RecordBatchReader.from_batches(predictor.schema, witness.passing(predictor.batches(todo)))
        metadata = lake.run_metadata(run.inputs.run, model_version=version.number, raw_version=raw.version())
        lake.replace(table, rows, fence, metadata, [day for day in todo if day is not None] if window.has_day else None)
        made["content_hash"] = witness.content_hash(predictor.schema)
    elif lake.committed_try(table, fence) is None:
        raise NothingToDo(f"version {version.number} has predicted raw@v{raw.version()} {window} already")
    else:
        log.info("an older try of this run has committed these predictions already")
    tables = {"raw": {"version": raw.version()}, "predictions": {"version": table.version()} | made}
    return Outcome(counts=counts, tables=tables, **told(version, alias))


def chosen(parameters: Parameters, run: TrackedRun) -> tuple[ModelVersion, str]:
    """The version that the form asks for, and the alias it has; raises NothingToDo where none has that alias yet."""
    if run.inputs.replay:
        return then(run, run.inputs.replay)
    found = registry.asked(run, parameters.model)
    if found is None:
        before = "promoted" if parameters.model == registry.CHAMPION else "registered"
        raise NothingToDo(f"no {parameters.model} for {run.pipeline} yet: has a challenger been trained and {before}?")
    held = {alias for alias, number in registry.aliases(run).items() if number == found.number} | {parameters.model}
    # Most champions are the challenger as well, until the next training.
    alias = next((name for name in (registry.CHAMPION, registry.CHALLENGER) if name in held), "no alias")
    run.tag(model_version=found.number, model_alias=alias)
    return found, alias


def then(run: TrackedRun, replay: Replay) -> tuple[ModelVersion, str]:
    """The version that a past run used, and the alias that it had."""
    if len(replay.models) != 1:
        raise UsageError("replay.models: predict used one version, so name it under the alias that it had")
    [(alias, number)] = replay.models.items()
    run.tag(model_version=number, model_alias=alias)
    return registry.numbered(run, number), alias


def counted(run: TrackedRun, version: ModelVersion, alias: str) -> set[int]:
    """Whose predictions may stay: for the champion those of all champions, for another model its own alone."""
    return {version.number} | (ledger.champions(run.pipeline) if alias == registry.CHAMPION else set())


def told(version: ModelVersion, alias: str) -> dict[str, Any]:
    """What the outcome says of the model, with a reason where that is not the champion."""
    model = {"model": version.told(alias)}
    if alias == registry.CHAMPION:
        return model
    return model | {"reason": f"version {version.number} ({alias}) was asked to predict, and not the champion"}


def none_there(parameters: Parameters, window: Window, version: int) -> None:
    """A window that somebody asked for must hold rows; the default one may still be ahead."""
    if parameters.start or parameters.end:
        raise EmptyWindowError(f"no rows in raw@v{version} {window}: has ingest run for these days?")
    raise NothingToDo(f"raw@v{version} has no rows {window}: the model's training window reaches to its end")


def already_forced(parameters: Parameters, committed: int | None) -> bool:
    """`force` compares nothing, so what an older try did is told by its commit alone."""
    return parameters.force and committed is not None
