"""Clearing an old task instance must not roll anything back."""

import mlflow
from line import Line


def aliases(line: Line) -> dict[str, str]:
    return dict(mlflow.MlflowClient().get_registered_model(line.name).aliases)


def retrain(line: Line, depth: int, run: str) -> None:
    line.yaml["candidates"][0]["params"] = {"max_depth": depth}
    assert line.run("train", run=run) == 0


def test_clearing_an_old_promote_leaves_the_newer_champion(trained: Line) -> None:
    retrain(trained, 2, "weak")
    assert trained.run("promote", run="a") == 0
    retrain(trained, 12, "strong")
    assert trained.run("promote", run="b") == 0
    assert trained.run("promote", run="a", attempt=2) == 99
    assert trained.outputs["reason"] == (
        f"this run made version 2 champion of {trained.name}; the ledger has a later move, which stays"
    )
    assert aliases(trained)["champion"] == "3"
    assert trained.run("promote", run="b", attempt=2) == 0
    assert len(trained.rows("ledger")) == 2


def test_clearing_an_old_train_leaves_the_newer_challenger(trained: Line) -> None:
    retrain(trained, 2, "second")
    assert trained.run("train", attempt=2) == 99
    assert trained.outputs["reason"] == "this run registered version 1; version 2 is newer, and the challenger stays"
    assert aliases(trained) == {"challenger": "2"}
