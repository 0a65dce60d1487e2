"""Pictures of one training, logged to the active MLflow run."""

from typing import Any

import matplotlib
import mlflow
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay
from sklearn.pipeline import Pipeline

from jobs.examples import Places
from jobs.model_card import ModelCard
from jobs.train.contest import Contest

matplotlib.use("Agg")
_MOST_POINTS = 5_000


def log_plots(rivals: Contest, estimator: Pipeline, card: ModelCard, metric: str, held_out: Places) -> None:
    """A bar per candidate and baseline, and how the chosen one errs on the held-out part."""
    mlflow.log_figure(_bars(card, metric), "plots/candidates.png")
    truth, guess = rivals.examples.target[held_out], rivals.guess(estimator, held_out)
    if rivals.classes:
        predicted = np.asarray(rivals.classes)[guess.argmax(axis=1)]
        mlflow.log_figure(_confusion(truth, predicted), "plots/confusion_matrix.png")
        if len(rivals.classes) == 2:
            mlflow.log_figure(_roc(truth, guess[:, 1], rivals.classes[-1]), "plots/roc.png")
        return
    mlflow.log_figure(_scatter(truth, guess), "plots/predicted_and_actual.png")
    if rivals.examples.days is not None:
        mlflow.log_figure(_residuals(rivals.examples.days[held_out], truth - guess), "plots/residuals.png")


def _bars(card: ModelCard, metric: str) -> Figure:
    names = [name for name, entry in card.figures.items() if metric in entry]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:grey" if name in card.baselines else "tab:blue" for name in names]
    bars = axes.bar(names, [card.figures[name][metric] for name in names], color=colours)
    axes.bar_label(bars, fmt="%.4g")
    axes.set_title(f"{metric} on the held-out part (grey: baselines)")
    return figure


def _scatter(truth: NDArray[Any], guess: NDArray[Any]) -> Figure:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    step = max(1, len(truth) // _MOST_POINTS)
    axes.plot(truth[::step], guess[::step], ".", alpha=0.3)
    axes.axline((0, 0), slope=1, color="tab:grey")
    axes.set(xlabel="actual", ylabel="predicted", title="Predicted and actual")
    return figure


def _residuals(days: NDArray[Any], errors: NDArray[Any]) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    unique, place = np.unique(days, return_inverse=True)
    axes.plot(unique, np.bincount(place, errors) / np.bincount(place))
    axes.axhline(0, color="tab:grey")
    axes.set(ylabel="actual minus predicted, mean of the day", title="Residuals over time")
    return figure


def _confusion(truth: NDArray[Any], predicted: NDArray[Any]) -> Figure:
    figure = Figure(figsize=(5, 5), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(truth, predicted, ax=figure.subplots(), colorbar=False)
    return figure


def _roc(truth: NDArray[Any], scores: NDArray[Any], positive: Any) -> Figure:
    figure = Figure(figsize=(5, 5), layout="constrained")
    RocCurveDisplay.from_predictions(truth, scores, pos_label=positive, ax=figure.subplots())
    return figure
