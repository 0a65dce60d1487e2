"""Candidates and baselines against each other: fitted on one part, measured on another."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from jobs import features, metrics
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
        derived = [name for name in grouping if name in parameters.calendar]
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
        try:
            return estimator.fit(self.features.iloc[fit], self.examples.target[fit])
        except InvalidParameterError as error:
            raise UsageError(f"candidates: {candidate.name}: {' '.join(str(error).split())}") from None

    def measured(self, estimator: Pipeline, apply: Places) -> dict[str, float]:
        return figures(self.examples.target[apply], self.guess(estimator, apply), self.classes)

    def guess(self, estimator: Pipeline, apply: Places) -> NDArray[Any]:
        """Predicted values, or one column of probabilities per class."""
        rows = self.features.iloc[apply]
        return np.asarray(estimator.predict_proba(rows) if self.classes else estimator.predict(rows))

    def baseline(self, entry: Baseline, fit: Places, apply: Places) -> dict[str, float]:
        target = self.examples.target
        columns = np.stack([target == value for value in self.classes], axis=1) if self.classes else target[:, None]
        guess = baselines.means(entry, self.groups, columns.astype(float), fit, apply)
        return figures(target[apply], guess if self.classes else guess[:, 0], self.classes)

    def choose(self, fit: Places, validate: Places) -> Candidate:
        """The candidate that does best on the validation part, which lies inside the training part."""
        candidates = {entry.name: entry for entry in self.parameters.candidates}
        if len(candidates) == 1:
            return self.parameters.candidates[0]
        metric = self.parameters.metric
        found = {name: self.measured(self.fitted(entry, fit), validate) for name, entry in candidates.items()}
        chosen = metrics.best(metric, {name: _needed(entry, metric) for name, entry in found.items()})
        for name, entry in found.items():
            log.info("validation: %s has %s %.4f", name, metric, entry[metric])
        return candidates[chosen]


def figures(truth: NDArray[Any], guess: NDArray[Any], classes: list[Any]) -> dict[str, float]:
    return metrics.classification(truth, guess, classes) if classes else metrics.regression(truth, guess)


def _needed(found: dict[str, float], metric: str) -> float:
    if metric not in found:
        raise UsageError(
            f"metric: {metric} is not defined on the held-out part, which lacks a class: widen test_fraction"
        )
    return found[metric]
