"""Move the champion alias when the challenger has earned it, and write down why."""

import json
import logging
from dataclasses import dataclass

from jobs import examples, features, metrics, model_store, registry
from jobs.errors import ModelFileError, NothingToDo
from jobs.ledger import Ledger, Move, who_moves
from jobs.model_card import ModelCard
from jobs.model_store import LoadedModel
from jobs.outcome import Outcome
from jobs.promote.parameters import Parameters
from jobs.registry import ModelVersion
from jobs.tracking import TrackedRun

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger replaces the champion, and the sentence that says why."""

    moves: bool
    why: str


def promote(parameters: Parameters, run: TrackedRun) -> Outcome:
    """Raises NothingToDo, with the verdict, where the champion stays."""
    ledger = Ledger.open(run)
    mine = ledger.own_move() if ledger.has_own_move else None
    if mine is not None:
        log.info("an older try of this run has written its move")
        return move_alias(run, version_of(run, mine.to_version), {}, mine.why)
    challenger, champion = rivals(run)
    figures, card = measure(run, challenger, champion)
    verdict = judge(parameters, challenger, champion, figures, card)
    log.info("%s", verdict.why)
    if not verdict.moves:
        raise NothingToDo(verdict.why)
    evidence: dict[str, object] = {
        "metric": parameters.metric,
        "raw": card.data_version,
        "challenger": figures["challenger"],
    }
    evidence |= {"champion": figures.get("champion"), "baselines": card.baseline(parameters.metric)}
    move = Move(
        run.pipeline,
        who_moves(run),
        verdict.why,
        champion.number if champion else None,
        challenger.number,
        json.dumps(evidence),
        run.inputs.run.requested_at,
    )
    # First the ledger, which only one mover gets past, then the alias, which the last one wins.
    ledger.write(move)
    return move_alias(run, challenger, figures, verdict.why)


def rivals(run: TrackedRun) -> tuple[ModelVersion, ModelVersion | None]:
    """Challenger and champion; raises NothingToDo where there is nothing to compare."""
    challenger = registry.by_alias(run, registry.CHALLENGER)
    champion = registry.by_alias(run, registry.CHAMPION)
    if challenger is None:
        raise NothingToDo(f"no challenger for {run.pipeline} yet: has train run?")
    if champion is not None and champion.number == challenger.number:
        raise NothingToDo(f"version {champion.number} is champion already")
    return challenger, champion


def version_of(run: TrackedRun, number: int) -> ModelVersion:
    return next(version for version in registry.versions(run) if version.number == number)


def measure(
    run: TrackedRun, challenger: ModelVersion, champion: ModelVersion | None
) -> tuple[dict[str, dict[str, float]], ModelCard]:
    """Figures of both on the challenger's held-out rows, at the challenger's version of raw."""
    new = model_store.load(challenger)
    found = examples.read(f"{run.pipeline}/raw", new.card.data_version, new.card.target)
    cut = (new.card.test_fraction, new.card.seed, new.card.task == "classification")
    _, held_out = examples.split(found, examples.everything(found), *cut)
    models = {"challenger": new} | ({"champion": model_store.load(champion)} if champion else {})
    return {name: figures_of(model, found, held_out) for name, model in models.items()}, new.card


def figures_of(model: LoadedModel, found: examples.Examples, held_out: examples.Places) -> dict[str, float]:
    """A model sees the features it was trained with, whatever the YAML says today."""
    rows = features.frame(found.rows.take(held_out), model.card.features, model.card.calendar)
    truth = found.target[held_out]
    if model.card.task == "regression":
        return metrics.regression(truth, model.predict(rows))
    return metrics.classification(truth, model.probabilities(rows), model.card.classes)


def judge(
    parameters: Parameters,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    figures: dict[str, dict[str, float]],
    card: ModelCard,
) -> Verdict:
    """Compare by the pipeline's metric; a tie leaves the champion where it is."""
    metric, policy = parameters.metric, parameters.promotion
    new = figures["challenger"].get(metric)
    if new is None:
        raise ModelFileError(f"challenger {challenger.number} has no {metric} on its held-out rows: train again")
    said = f"challenger {challenger.number}: {new:.4g}"
    baselines = card.baseline(metric)
    if policy.beat_baseline and baselines:
        name = metrics.best(metric, baselines)
        if metrics.improvement(metric, baselines[name], new) <= 0:
            return Verdict(False, f"{said} does not beat the baseline {name}: {baselines[name]:.4g} {metric}")
    if champion is None:
        return Verdict(True, f"{said} {metric} is the first champion")
    old = figures["champion"][metric]
    gain = metrics.improvement(metric, old, new)
    rival = f"champion {champion.number}: {old:.4g} {metric}"
    if gain <= 0:
        return Verdict(False, f"{said} is not better than {rival}")
    if gain < policy.min_improvement:
        return Verdict(
            False, f"{said} is better than {rival}, but by {gain:.2%} and not by {policy.min_improvement:.2%}"
        )
    return Verdict(True, f"{said} is better than {rival}")


def move_alias(run: TrackedRun, version: ModelVersion, figures: dict[str, dict[str, float]], why: str) -> Outcome:
    registry.set_alias(run, registry.CHAMPION, version)
    log.info("version %s is champion of %s now", version.number, run.pipeline)
    model = {"name": version.name, "version": version.number, "run_id": version.run_id, "alias": registry.CHAMPION}
    flat = {f"{name}.{metric}": value for name, entry in figures.items() for metric, value in entry.items()}
    return Outcome(reason=why, model=model, metrics=flat)
