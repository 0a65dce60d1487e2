"""Figures that measure predictions, and which of two is better."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

LOWER_IS_BETTER = frozenset({"mean_absolute_error", "root_mean_squared_error", "log_loss"})


def regression(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    figures = {
        "mean_absolute_error": float(sk.mean_absolute_error(truth, predicted)),
        "root_mean_squared_error": float(sk.root_mean_squared_error(truth, predicted)),
    }
    # r2 of a single row, or of one value, is not defined.
    return figures | ({"r2": float(sk.r2_score(truth, predicted))} if len(set(truth)) > 1 else {})


def classification(truth: NDArray[Any], probabilities: NDArray[Any], classes: list[Any]) -> dict[str, float]:
    """`probabilities` has one column per class; the last of two classes is the positive one."""
    predicted = np.asarray(classes)[probabilities.argmax(axis=1)]
    binary = len(classes) == 2
    averaging: dict[str, Any] = {"pos_label": classes[-1]} if binary else {"average": "macro"}
    figures = {
        "accuracy": float(sk.accuracy_score(truth, predicted)),
        "f1": float(sk.f1_score(truth, predicted, zero_division=0.0, **averaging)),
        "log_loss": float(sk.log_loss(truth, probabilities, labels=classes)),
    }
    if set(truth) >= set(classes):
        scores = probabilities[:, 1] if binary else probabilities
        figures["roc_auc"] = float(sk.roc_auc_score(truth, scores, labels=classes, multi_class="ovr"))
    return figures


def flat(figures: dict[str, dict[str, float]]) -> dict[str, float]:
    """`name.metric`, as MLflow and outputs.json call a figure."""
    return {f"{name}.{metric}": value for name, entry in figures.items() for metric, value in entry.items()}


def improvement(metric: str, old: float, new: float) -> float:
    """How much better `new` is, relative to the size of `old`; negative where it is worse."""
    gain = old - new if metric in LOWER_IS_BETTER else new - old
    return gain / abs(old) if old else gain


def best(metric: str, figures: dict[str, float]) -> str:
    """The name with the best figure; of equals the first."""
    pick = min if metric in LOWER_IS_BETTER else max
    return pick(figures, key=lambda name: figures[name])
