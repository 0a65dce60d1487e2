"""Classes, targets and features may change between two models; the line goes on."""

import json

import pytest
from line import Line, as_csv, demand_rows


def kind_of(demand: float, late: bool) -> str:
    return "storm" if late and demand > 70 else "high" if demand > 45 else "low"


def classified(line: Line, days: int, storms_from: int) -> Line:
    rows = [[*row[:3], kind_of(row[3], place // 24 >= storms_from)] for place, row in enumerate(demand_rows(days))]
    line.land(as_csv(rows))
    assert line.run("ingest", run=f"days {days}") == 0
    return line


@pytest.fixture
def kinds(line: Line) -> Line:
    line.yaml["columns"] = line.yaml["columns"] | {"demand": "string"}
    line.yaml |= {"task": "classification", "metric": "accuracy"}
    line.yaml["candidates"] = [{"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier"}]
    return line


def test_a_class_that_only_the_held_out_part_holds_is_measured(kinds: Line) -> None:
    classified(kinds, 20, storms_from=18)
    assert [kinds.run(job) for job in ("train", "promote", "predict")] == [0, 0, 0]
    assert kinds.rows("ledger")[0]["to_version"] > 0


def test_a_champion_that_does_not_know_a_class_is_compared(kinds: Line) -> None:
    classified(kinds, 10, storms_from=99)
    assert [kinds.run(job) for job in ("train", "promote")] == [0, 0]
    classified(kinds, 30, storms_from=10)
    assert kinds.run("train", run="second") == 0
    assert kinds.run("promote", run="second") == 0
    assert "is better than champion 1" in kinds.outputs["reason"]
    assert kinds.outputs["metrics"]["champion.accuracy"] < kinds.outputs["metrics"]["challenger.accuracy"]


def test_a_champion_of_another_task_loses_and_the_ledger_says_so(trained: Line) -> None:
    assert trained.run("promote") == 0
    trained.yaml |= {"task": "classification", "metric": "accuracy", "target": "hour", "features": ["warm", "demand"]}
    trained.yaml["candidates"] = [{"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier"}]
    assert trained.run("train", run="second") == 0
    assert trained.run("promote", run="second") == 0
    said = "can't be scored on these rows: it learnt a regression of demand, not a classification of hour"
    assert trained.outputs["reason"].endswith(said)
    (move,) = (row for row in trained.rows("ledger") if row["from_version"] == 1)
    assert move["why"].endswith(said)
    assert json.loads(move["evidence"])["champion_unscored"].startswith("it learnt a regression")


def test_a_baseline_may_group_by_a_word_of_the_calendar_that_is_no_feature(trained: Line) -> None:
    trained.yaml["baselines"] = [{"name": "by_month", "mean_by": ["month", "hour"]}]
    assert trained.run("train", run="second") == 0
    assert trained.outputs["metrics"]["by_month.mean_absolute_error"] > 0
