"""Promote: the champion moves when it has to, and only then."""

import json

import mlflow
import pytest
from line import Line

from jobs.errors import TryAgainError
from jobs.identity import Inputs
from jobs.ledger import Ledger, Move
from jobs.tracking import TrackedRun


def champion(line: Line) -> str | None:
    return mlflow.MlflowClient().get_registered_model(line.name).aliases.get("champion")


def retrain(line: Line, depth: int, run: str) -> None:
    line.yaml["candidates"][0]["params"] = {"max_depth": depth}
    assert line.run("train", run=run) == 0


def test_without_a_challenger_there_is_nothing_to_do(line: Line) -> None:
    assert line.run("promote") == 99
    assert line.outputs["reason"] == f"no challenger for {line.name} yet: has train run?"


def test_the_first_challenger_becomes_champion_and_the_ledger_says_why(trained: Line) -> None:
    assert trained.run("promote") == 0
    assert champion(trained) == "1"
    (move,) = trained.rows("ledger")
    assert (move["from_version"], move["to_version"], move["requested_at"]) == (None, 1, "2026-11-21T03:45:00+00:00")
    assert json.loads(move["evidence"])["metric"] == "mean_absolute_error"
    assert trained.run("promote", run="second") == 99
    assert trained.outputs["reason"] == "version 1 is champion already"


def test_a_better_challenger_replaces_the_champion(trained: Line) -> None:
    retrain(trained, 2, "weak")
    assert trained.run("promote") == 0
    retrain(trained, 12, "strong")
    assert trained.run("promote", run="second") == 0
    assert champion(trained) == "3"
    assert [
        (row["from_version"], row["to_version"])
        for row in sorted(trained.rows("ledger"), key=lambda row: row["to_version"])
    ] == [
        (None, 2),
        (2, 3),
    ]


def test_a_worse_challenger_leaves_the_champion(trained: Line) -> None:
    assert trained.run("promote") == 0
    retrain(trained, 2, "weak")
    assert trained.run("promote", run="second") == 99
    assert "is not better than champion 1" in trained.outputs["reason"]
    assert champion(trained) == "1"
    assert len(trained.rows("ledger")) == 1


def test_a_forced_promotion_moves_the_champion_and_the_ledger_says_so(trained: Line) -> None:
    assert trained.run("promote") == 0
    retrain(trained, 2, "weak")
    assert trained.run("promote", run="second", promote_when="never") == 99
    assert trained.run("promote", run="third", promote_when="always") == 0
    assert champion(trained) == "2"
    move = max(trained.rows("ledger"), key=lambda row: row["to_version"])
    assert "is not better than champion 1" in move["why"]
    assert move["why"].endswith("promoted all the same, since promote_when is always for this run")
    assert json.loads(move["evidence"])["promote_when"] == "always"


def test_the_champions_page_tells_how_it_was_made_and_why_it_is_champion(trained: Line) -> None:
    assert trained.run("promote") == 0
    assert trained.run("promote", attempt=2) == 0
    page = mlflow.MlflowClient().get_model_version(trained.name, "1").description
    for fact in ("tree, with mean_absolute_error", "mean (baseline)", "raw, version", "2024-01-01 to 2024-01-16"):
        assert fact in page
    assert page.count("**Champion** since 2026-11-21 03:45 UTC: challenger 1") == 1


def test_an_improvement_below_the_policy_leaves_the_champion(trained: Line) -> None:
    retrain(trained, 5, "weak")
    assert trained.run("promote") == 0
    retrain(trained, 6, "strong")
    assert trained.run("promote", run="second", promotion={"min_improvement": 0.99}) == 99
    assert "and not by 99.00%" in trained.outputs["reason"]


def test_a_challenger_that_no_baseline_fears_is_not_promoted(trained: Line) -> None:
    trained.yaml["baselines"] = [{"name": "oracle", "mean_by": ["hour", "warm"]}]
    retrain(trained, 1, "weak")
    assert trained.run("promote") == 99
    assert "does not beat the baseline oracle" in trained.outputs["reason"]
    assert trained.run("promote", run="second", promotion={"beat_baseline": False}) == 0


def test_a_retry_after_the_ledger_was_written_moves_the_alias(trained: Line) -> None:
    assert trained.run("promote") == 0
    mlflow.MlflowClient().delete_registered_model_alias(trained.name, "champion")
    assert trained.run("promote", attempt=2) == 0
    assert champion(trained) == "1"
    assert len(trained.rows("ledger")) == 1


def test_a_model_file_that_was_changed_is_not_loaded(trained: Line) -> None:
    client = mlflow.MlflowClient()
    client.set_model_version_tag(trained.name, "1", "slipway.sha256", "0" * 64)
    assert trained.run("promote") == 65
    assert trained.outputs["error"]["type"] == "ModelFileError"
    assert champion(trained) is None


def test_of_two_movers_that_saw_the_same_ledger_one_has_to_try_again(line: Line) -> None:
    client = mlflow.MlflowClient()
    runs = [Inputs.model_validate(line.inputs("promote", name, 1, {"metric": "r2"})) for name in ("first", "second")]
    first, second = (Ledger.open(TrackedRun(inputs, "", "", client)) for inputs in runs)
    first.write(Move(line.name, "a", "better", None, 1, "{}", "2026-11-21"))
    with pytest.raises(TryAgainError):
        second.write(Move(line.name, "b", "better", None, 2, "{}", "2026-11-21"))
    assert [row["to_version"] for row in line.rows("ledger")] == [1]
