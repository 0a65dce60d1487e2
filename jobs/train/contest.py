"""Candidates and baselines against each other: fitted on one part, measured on another."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from jobs import features, guesses, lake, metrics
from jobs.errors import UsageError
from jobs.examples import Examples, Places
from jobs.pipeline import Baseline, Candidate
from jobs.train import baselines
from jobs.train.estimators import build
from jobs.train.parameters import Parameters

log = logging.getLogger(__name__)


@dataclass
class Contest:
    """The data of one training, ready to fit and to measure."""

    parameters: Parameters
    examples: Examples
    features: pd.DataFrame
    groups: pd.DataFrame
    classes: list[Any]

    @classmethod
    def of(cls, parameters: Parameters, examples: Examples) -> "Contest":
        grouping = list(dict.fromkeys(name for entry in parameters.baselines for name in entry.mean_by))
        # Raw may have a column of its own that is called weekday.
        own = [] if lake.DAY not in examples.rows.column_names else [*features.CALENDAR]
        own = [name for name in own if name in parameters.calendar or name not in examples.rows.column_names]
        derived = [name for name in grouping if name in own]
        classes = sorted(set(examples.target.tolist())) if parameters.task == "classification" else []
        return cls(
            parameters,
            examples,
            features.frame(examples.rows, parameters.features, parameters.calendar),
            features.frame(examples.rows, [name for name in grouping if name not in derived], derived),
            classes,
        )

    def fitted(self, candidate: Candidate, fit: Places) -> Pipeline:
        parameters = self.parameters
        estimator = build(candidate, features.kinds(self.features), parameters.task, parameters.seed)
        with _blamed(estimator):
            return estimator.fit(self.features.iloc[fit], self.examples.target[fit])

    def measured(self, estimator: Pipeline, apply: Places) -> dict[str, float]:
        with _blamed(estimator):
            guess = np.asarray_chkfinite(self.guess(estimator, apply))
        return guesses.figures(self.examples.target[apply], guess, self.classes)

    def guess(self, estimator: Pipeline, apply: Places) -> NDArray[Any]:
        """Predicted values, or one column of probabilities per class."""
        return guesses.guess(estimator, self.features.iloc[apply], self.classes)

    def baseline(self, entry: Baseline, fit: Places, apply: Places) -> dict[str, float]:
        target = self.examples.target
        columns = np.stack([target == value for value in self.classes], axis=1) if self.classes else target[:, None]
        guess = baselines.means(entry, self.groups, columns.astype(float), fit, apply)
        return guesses.figures(target[apply], guess if self.classes else guess[:, 0], self.classes)

    def choose(self, fit: Places, validate: Places) -> Candidate:
        """The candidate that does best on the validation part, which lies inside the training part."""
        candidates = {entry.name: entry for entry in self.parameters.competing}
        if len(candidates) == 1:
            return self.parameters.competing[0]
        metric = self.parameters.metric
        found = {name: self.measured(self.fitted(entry, fit), validate) for name, entry in candidates.items()}
        chosen = metrics.best(metric, {name: _needed(entry, metric) for name, entry in found.items()})
        for name, entry in found.items():
            log.info("validation: %s has %s %.4f", name, metric, entry[metric])
        return candidates[chosen]


@contextmanager
def _blamed(estimator: Pipeline) -> Generator[None]:
    """Which error it is depends on the estimator; the rows themselves were checked by ingest."""
    try:
        yield
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        says = " ".join(str(error).split())[:300]
        raise UsageError(f"candidates: {type(estimator[-1]).__name__} can't be used with its params: {says}") from error


def _needed(found: dict[str, float], metric: str) -> float:
    if metric not in found:
        raise UsageError(
            f"metric: {metric} is not defined on the held-out part, which lacks a class: widen test_fraction"
        )
    return found[metric]
