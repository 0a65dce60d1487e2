"""What the demo tells of its tasks, from outputs.json as jobs write it."""

import pytest

from slipway import settings
from slipway.embedded import report

OUTPUTS = {"slipway": 1, "status": "done", "reason": None, "mlflow": None, "closed": True}


@pytest.fixture(autouse=True)
def no_champion(monkeypatch):
    """These reports ask no MLflow; the whole demo's test asks a real one."""
    monkeypatch.setattr(report.mlflow_rest, "champion", lambda url, model: None)


def task(name, **outputs):
    return {"task": name, "state": "success", "seconds": 1.25, "outputs": {**OUTPUTS, **outputs}, "error": None}


def test_measures_are_aligned_with_baselines_last_and_the_deciding_metric_first():
    metrics = {"mean.accuracy": 0.5, "mean.roc_auc": 0.5, "tree.accuracy": 0.912345, "tree.roc_auc": 0.98}
    inputs = {"parameters": {"metric": "roc_auc", "candidates": [{"name": "tree"}]}}
    assert report.measures(metrics, inputs) == [
        "on the held-out part  roc_auc  accuracy",
        "tree                     0.98    0.9123",
        "mean (baseline)           0.5       0.5",
    ]


def test_each_task_tells_what_it_brought_or_why_it_had_nothing_to_do():
    ingest = task(
        "ingest", counts={"rows": 3, "changed_days": 1}, tables={"raw": {"version": 2, "content_hash": "ab" * 32}}
    )
    promote = task("promote", status="nothing_to_do", reason="the champion is better")
    predict = task("predict", model={"name": "bike", "version": 7, "alias": "champion"}, tables={"raw": {"version": 2}})
    ended = [{"tasks": [ingest, promote, predict]}]
    assert report.lines("bike", ended, settings.read())[:6] == [
        "",
        "bike:",
        "  ingest: 3 rows, 1 changed days; raw version 2 (content abababababab)",
        "  promote: nothing to do: the champion is better",
        "  predict: raw version 2; model bike version 7 (champion)",
        "  champion: none yet",
    ]


def test_a_task_that_left_nothing_is_still_listed():
    lost = {"task": "train", "state": "skipped", "seconds": None, "outputs": None, "error": None}
    text = report.lines("bike", [{"tasks": [lost]}], settings.read())
    assert "  train: skipped" in text
    assert "  train  skipped" in text
