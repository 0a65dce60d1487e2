"""Fit the candidates on a version of raw, measure them on held-out rows, register the best as challenger."""

import hashlib
import json
import logging

import mlflow
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset

from jobs import examples, features, lake, metrics, model_store, notes, registry
from jobs.errors import EmptyWindowError, NothingToDo
from jobs.examples import Examples
from jobs.model_card import ModelCard
from jobs.outcome import Outcome
from jobs.registry import ModelVersion
from jobs.tracking import TrackedRun
from jobs.train import plots
from jobs.train.contest import Contest
from jobs.train.parameters import Parameters

log = logging.getLogger(__name__)


def train(parameters: Parameters, run: TrackedRun) -> Outcome:
    """Raises NothingToDo when the newest model was made from the same rows, code and parameters."""
    # A replay trains whatever is there, and registers nothing.
    existing = [] if run.inputs.replay else registry.versions(run)
    own = next((version for version in existing if version.run_id == run.id), None)
    if own is not None:
        if existing[0].number > own.number:
            raise NothingToDo(
                f"this run registered version {own.number}; version {existing[0].number} is newer, "
                "and the challenger stays"
            )
        log.info("an older try of this run has registered version %s", own.number)
        registry.set_alias(run, registry.CHALLENGER, own)
        return outcome(own, model_store.read_card(own))
    table = lake.open_table(f"{run.pipeline}/raw", parameters.data_version)
    if table is None:
        raise EmptyWindowError(f"there is no table {run.pipeline}/raw yet: has ingest run?")
    newest = None if parameters.force or not existing else existing[0]
    recipe = {"code": run.inputs.image.code, "parameters": digest(parameters)}
    stop_if_trained(run, newest, recipe | {"data_version": str(table.version())}, table.version())
    found = examples.read(f"{run.pipeline}/raw", table.version(), parameters.target)
    stop_if_trained(run, newest, recipe | {"content_hash": found.content_hash}, table.version())
    log.info("read %s rows with a target from raw@v%s", f"{len(found.target):,}", table.version())
    version, card = contest(parameters, run, found, table.version(), recipe)
    return outcome(version, card)


def digest(parameters: Parameters) -> str:
    """Names the parameters that a model depends on."""
    told = parameters.model_dump(mode="json", exclude={"force", "data_version", "only_candidates"})
    told["candidates"] = [entry.model_dump(mode="json") for entry in parameters.competing]
    text = json.dumps(told, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stop_if_trained(run: TrackedRun, newest: ModelVersion | None, made_from: dict[str, str], data_version: int) -> None:
    if newest is None or any(newest.tags.get(name) != value for name, value in made_from.items()):
        return
    held = [alias for alias, number in sorted(registry.aliases(run).items()) if number == newest.number]
    raise NothingToDo(
        f"raw@v{data_version} was trained already as version {newest.number}"
        + (f" ({', '.join(held)})" if held else "")
    )


def contest(
    parameters: Parameters, run: TrackedRun, found: Examples, data_version: int, recipe: dict[str, str]
) -> tuple[ModelVersion | None, ModelCard]:
    """Choose on a validation part, measure all on the held-out part, register the chosen one, but for a replay."""
    rivals = Contest.of(parameters, found)
    cut = (parameters.split.test_fraction, parameters.seed, bool(rivals.classes))
    training, held_out = examples.split(found, examples.everything(found), *cut)
    chosen = rivals.choose(*examples.split(found, training, *cut))
    fitted = {entry.name: rivals.fitted(entry, training) for entry in parameters.competing}
    figures = {name: rivals.measured(estimator, held_out) for name, estimator in fitted.items()}
    figures |= {entry.name: rivals.baseline(entry, training, held_out) for entry in parameters.baselines}
    for name, entry in figures.items():
        log.info("held out: %s: %s", name, ", ".join(f"{metric} {value:.4f}" for metric, value in entry.items()))
    card = ModelCard(
        pipeline=run.pipeline,
        task=parameters.task,
        target=parameters.target,
        features=parameters.features,
        calendar=list(parameters.calendar),
        kinds=features.kinds(rivals.features),
        classes=rivals.classes,
        chosen=chosen.name,
        data_version=data_version,
        content_hash=found.content_hash,
        test_fraction=parameters.split.test_fraction,
        seed=parameters.seed,
        train_rows=len(training),
        test_rows=len(held_out),
        train_span=found.span(training),
        test_span=found.span(held_out),
        figures=figures,
        baselines=[entry.name for entry in parameters.baselines],
    )
    log_contest(parameters, run, card)
    plots.log_plots(rivals, fitted[chosen.name], card, parameters.metric, held_out)
    source, sha256 = model_store.save(fitted[chosen.name], card, rivals.features.iloc[training[:3]])
    if run.inputs.replay:
        return None, card
    note = notes.of_version(run.inputs, card, parameters.metric, run.id, run.experiment_id)
    version = registry.register(run, source, recipe | version_tags(run, card, sha256), note)
    registry.set_alias(run, registry.CHALLENGER, version)
    log.info("registered version %s of %s as challenger: %s", version.number, run.pipeline, chosen.name)
    return version, card


def version_tags(run: TrackedRun, card: ModelCard, sha256: str) -> dict[str, object]:
    """What a version says about itself."""
    spans = {"train": card.train_span, "test": card.test_span}
    days = {
        f"{part}_{end}": span[place]
        for part, span in spans.items()
        if span
        for place, end in enumerate(("start", "end"))
    }
    image = run.inputs.image
    told = {
        "candidate": card.chosen,
        "data_version": card.data_version,
        "content_hash": card.content_hash,
        "sha256": sha256,
    }
    return (
        told
        | days
        | card.figures[card.chosen]
        | {"image": image.reference, "image_id": image.id, "revision": image.revision}
    )


def log_contest(parameters: Parameters, run: TrackedRun, card: ModelCard) -> None:
    """Parameters, figures and the dataset, to the active MLflow run."""
    told = {"chosen": card.chosen, "metric": parameters.metric, "seed": card.seed, "test_fraction": card.test_fraction}
    counted = {"train_rows": card.train_rows, "test_rows": card.test_rows}
    mlflow.log_params(told | counted | {"task": card.task, "target": card.target, "data_version": card.data_version})
    mlflow.log_metrics(metrics.flat(card.figures))
    # MLflow's own digest looks at the first rows only, and refuses more than 36 characters.
    source = DeltaDatasetSource(path=f"{lake.lake_uri()}/{run.pipeline}/raw", delta_table_version=card.data_version)
    dataset = MetaDataset(  # type: ignore[abstract]  # its base marks what this one leaves out
        source, name=f"{run.pipeline}/raw@v{card.data_version}", digest=card.content_hash[:36]
    )
    mlflow.log_input(dataset, context="training", tags={"slipway.data_version": str(card.data_version)})


def outcome(version: ModelVersion | None, card: ModelCard) -> Outcome:
    raw = {"version": card.data_version, "content_hash": card.content_hash}
    counts = {"rows": card.train_rows + card.test_rows, "train_rows": card.train_rows, "test_rows": card.test_rows}
    model = version.told(registry.CHALLENGER) if version else None
    return Outcome(counts=counts, tables={"raw": raw}, model=model, metrics=metrics.flat(card.figures))
