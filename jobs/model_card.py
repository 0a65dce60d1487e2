"""What a model needs to be used again without its pipeline's YAML of that day."""

from datetime import date
from typing import Any

from jobs.pipeline import Strict


class ModelCard(Strict):
    """Written by train beside the model; read by promote and predict."""

    pipeline: str
    task: str
    target: str
    features: list[str]
    calendar: list[str]
    kinds: dict[str, str]
    classes: list[Any]
    chosen: str
    data_version: int
    content_hash: str
    test_fraction: float
    seed: int
    train_rows: int
    test_rows: int
    train_span: tuple[date, date] | None
    test_span: tuple[date, date] | None
    figures: dict[str, dict[str, float]]
    baselines: list[str]

    def baseline(self, metric: str) -> dict[str, float]:
        """The baselines' figures on the held-out part."""
        return {name: self.figures[name][metric] for name in self.baselines if metric in self.figures[name]}
