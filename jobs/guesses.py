"""What a fitted estimator says of rows, and how good that is: values, or one probability per class."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jobs import metrics


def guess(estimator: Any, rows: pd.DataFrame, classes: list[Any]) -> NDArray[Any]:
    """Predicted values; with classes, one column of probabilities per class, whatever the estimator was fitted on.

    Raises ValueError where the estimator knows none of the classes.
    """
    if not classes:
        return np.asarray(estimator.predict(rows))
    # A part of the rows, or those of another day, may lack a class that others hold.
    places = {value: place for place, value in enumerate(np.asarray(estimator.classes_).tolist())}
    if not places.keys() & set(classes):
        raise ValueError(f"it knows the classes {', '.join(map(str, places))} and none of {classes}")
    found = np.asarray(estimator.predict_proba(rows))
    none = np.zeros(len(found))
    aligned = np.stack([found[:, places[value]] if value in places else none for value in classes], axis=1)
    total = aligned.sum(axis=1, keepdims=True)
    return np.divide(aligned, total, out=np.full_like(aligned, 1 / len(classes)), where=total > 0)


def figures(truth: NDArray[Any], guessed: NDArray[Any], classes: list[Any]) -> dict[str, float]:
    """The metrics of the task: classification where there are classes, else regression."""
    return metrics.classification(truth, guessed, classes) if classes else metrics.regression(truth, guessed)
