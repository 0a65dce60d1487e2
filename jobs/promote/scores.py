"""Challenger and champion on the same held-out rows."""

from dataclasses import dataclass

from jobs import examples, features, guesses, model_store
from jobs.errors import BadDataError, UsageError
from jobs.examples import Examples, Places
from jobs.model_card import ModelCard
from jobs.model_store import LoadedModel
from jobs.registry import ModelVersion
from jobs.tracking import TrackedRun


@dataclass(frozen=True)
class Scores:
    """Figures of both; `unscored` says why the champion has none."""

    card: ModelCard
    challenger: dict[str, float]
    champion: dict[str, float]
    unscored: str | None = None

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        return {"challenger": self.challenger} | ({"champion": self.champion} if self.champion else {})


def measure(run: TrackedRun, challenger: ModelVersion, champion: ModelVersion | None) -> Scores:
    """Figures on the challenger's held-out rows, at the challenger's version of raw."""
    new = model_store.load(challenger)
    found = examples.read(f"{run.pipeline}/raw", new.card.data_version, new.card.target)
    cut = (new.card.test_fraction, new.card.seed, new.card.task == "classification")
    _, held_out = examples.split(found, examples.everything(found), *cut)
    ours = figures_of(new, found, held_out, new.card)
    if champion is None:
        return Scores(new.card, ours, {})
    # A file that was tampered with is not merely unscored, so loading it stays outside.
    old = model_store.load(champion)
    try:
        return Scores(new.card, ours, figures_of(old, found, held_out, new.card))
    except (BadDataError, UsageError, ValueError, TypeError, KeyError) as error:
        return Scores(new.card, ours, {}, " ".join(str(error).split())[:500])


def figures_of(model: LoadedModel, found: Examples, held_out: Places, today: ModelCard) -> dict[str, float]:
    """A model sees the features it was trained with, and is asked for today's target and classes."""
    card = model.card
    if (card.task, card.target) != (today.task, today.target):
        raise UsageError(f"it learnt a {card.task} of {card.target}, not a {today.task} of {today.target}")
    rows = features.frame(found.rows.take(held_out), card.features, card.calendar)
    return guesses.figures(found.target[held_out], model.guess(rows, today.classes), today.classes)
