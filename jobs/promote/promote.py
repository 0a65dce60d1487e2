"""Move the champion alias when the challenger has earned it, and write down why."""

import json
import logging
from dataclasses import dataclass

from jobs import metrics, notes, registry
from jobs.errors import ModelFileError, NothingToDo
from jobs.ledger import Ledger, Move, who_moves
from jobs.outcome import Outcome
from jobs.promote.parameters import Parameters
from jobs.promote.scores import Scores, measure
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
        return again(run, ledger, mine)
    challenger, champion = rivals(run)
    if parameters.promote_when == "never":
        raise NothingToDo(f"version {challenger.number} stays challenger: promote_when is never for this run")
    scores = measure(run, challenger, champion)
    verdict = judge(parameters, challenger, champion, scores)
    if parameters.promote_when == "always" and not verdict.moves:
        verdict = Verdict(True, f"{verdict.why}; promoted all the same, since promote_when is always for this run")
    log.info("%s", verdict.why)
    if not verdict.moves:
        raise NothingToDo(verdict.why)
    move = Move(
        run.pipeline,
        who_moves(run),
        verdict.why,
        champion.number if champion else None,
        challenger.number,
        evidence(parameters, scores),
        run.inputs.run.requested_at,
    )
    # First the ledger, which only one mover gets past, then the alias, which the last one wins.
    ledger.write(move)
    return move_alias(run, challenger, scores.figures, verdict.why)


def again(run: TrackedRun, ledger: Ledger, mine: Move) -> Outcome:
    """Finish what an older try of this run began, unless the champion has moved on since."""
    if not ledger.ends_with_own_move:
        raise NothingToDo(
            f"this run made version {mine.to_version} champion of {run.pipeline}; "
            "the ledger has a later move, which stays"
        )
    log.info("an older try of this run has written its move")
    return move_alias(run, version_of(run, mine.to_version), {}, mine.why)


def evidence(parameters: Parameters, scores: Scores) -> str:
    """What the verdict rests on, as JSON."""
    found: dict[str, object] = {"metric": parameters.metric, "raw": scores.card.data_version}
    found |= {"promote_when": parameters.promote_when}
    found |= {"challenger": scores.challenger, "champion": scores.champion or None}
    found |= {"baselines": scores.card.baseline(parameters.metric)}
    return json.dumps(found | ({"champion_unscored": scores.unscored} if scores.unscored else {}))


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


def judge(
    parameters: Parameters,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    scores: Scores,
) -> Verdict:
    """Compare by the pipeline's metric; a tie leaves the champion where it is."""
    metric, policy = parameters.metric, parameters.promotion
    new = scores.challenger.get(metric)
    if new is None:
        raise ModelFileError(f"challenger {challenger.number} has no {metric} on its held-out rows: train again")
    said = f"challenger {challenger.number}: {new:.4g}"
    baselines = scores.card.baseline(metric)
    if policy.beat_baseline and baselines:
        name = metrics.best(metric, baselines)
        if metrics.improvement(metric, baselines[name], new) <= 0:
            return Verdict(False, f"{said} does not beat the baseline {name}: {baselines[name]:.4g} {metric}")
    if champion is None:
        return Verdict(True, f"{said} {metric} is the first champion")
    if metric not in scores.champion:
        why = scores.unscored or f"it has no {metric} there"
        return Verdict(
            True, f"{said} {metric} replaces champion {champion.number}, which can't be scored on these rows: {why}"
        )
    return by_improvement(parameters, said, champion, new, scores.champion[metric])


def by_improvement(parameters: Parameters, said: str, champion: ModelVersion, new: float, old: float) -> Verdict:
    """Whether `new` is better than `old` by as much as the policy asks for."""
    metric, policy = parameters.metric, parameters.promotion
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
    registry.add_note(run, version, notes.of_move(why, run.inputs.run.requested_at))
    log.info("version %s is champion of %s now", version.number, run.pipeline)
    return Outcome(reason=why, model=version.told(registry.CHAMPION), metrics=metrics.flat(figures))
