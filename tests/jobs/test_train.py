"""Train: what it refuses, what it leaves, and when it has nothing to do."""

from typing import Any

import mlflow
import pytest
from line import Line, as_csv, demand_rows


def versions(line: Line) -> list[Any]:
    return list(mlflow.MlflowClient().search_model_versions(f"name='{line.name}'"))


def with_target(values: list[object]) -> str:
    rows = demand_rows(10)
    return as_csv([[*row[:3], values[place % len(values)]] for place, row in enumerate(rows)])


def test_train_refuses_a_lake_without_raw(line: Line) -> None:
    assert line.run("train") == 65
    assert line.message == f"there is no table {line.name}/raw yet: has ingest run?"


@pytest.mark.parametrize(("values", "said"), [([None], "is null in all 240 rows"), ([5], "is 5.0 in all 240 rows")])
def test_train_refuses_a_target_that_teaches_nothing(line: Line, values: list[object], said: str) -> None:
    line.land(with_target(values))
    assert line.run("ingest") == 0
    assert line.run("train") == 65
    assert line.outputs["error"]["type"] == "UnusableTargetError"
    assert said in line.message
    assert versions(line) == []


def test_train_refuses_a_feature_that_raw_has_not(line: Line) -> None:
    line.land(as_csv(demand_rows()))
    assert line.run("ingest") == 0
    line.yaml["features"] = ["hour", "snow"]
    assert line.run("train") == 65
    assert line.message.startswith("raw has no column snow; it has ")


def test_train_registers_a_challenger_that_says_what_it_was_made_from(trained: Line) -> None:
    (version,) = versions(trained)
    raw = trained.outputs["tables"]["raw"]
    tags = {
        name: version.tags[f"slipway.{name}"] for name in ("data_version", "content_hash", "train_start", "train_end")
    }
    assert tags == {
        "data_version": str(raw["version"]),
        "content_hash": raw["content_hash"],
        "train_start": "2024-01-01",
        "train_end": "2024-01-16",
    }
    assert version.tags["slipway.test_start"] == "2024-01-17"
    assert len(version.tags["slipway.sha256"]) == 64
    assert mlflow.MlflowClient().get_registered_model(trained.name).aliases == {"challenger": version.version}
    assert sorted(trained.outputs["metrics"]) == [
        f"{name}.{metric}"
        for name in ("mean", "tree")
        for metric in ("mean_absolute_error", "r2", "root_mean_squared_error")
    ]


def test_the_same_inputs_give_the_same_figures_to_the_last_digit(trained: Line) -> None:
    first = trained.outputs["metrics"]
    assert trained.run("train", run="second", force=True) == 0
    assert trained.outputs["metrics"] == first


def test_train_has_nothing_to_do_where_rows_code_and_parameters_are_the_same(trained: Line) -> None:
    assert trained.run("train", run="second") == 99
    raw = trained.outputs["reason"]
    assert raw == "raw@v1 was trained already as version 1 (challenger)"
    trained.land(as_csv([*demand_rows(), *([row[0].replace(month=6), *row[1:3], None] for row in demand_rows(1))]))
    assert trained.run("ingest", run="second") == 0
    assert trained.run("train", run="third") == 99, "rows without a target teach nothing new"
    trained.yaml["features"] = ["hour"]
    assert trained.run("train", run="fourth") == 0


def test_a_retry_finds_its_mlflow_run_and_its_version(trained: Line) -> None:
    before = trained.outputs
    assert trained.run("train", attempt=2) == 0
    assert {name: trained.outputs[name] for name in ("model", "metrics", "mlflow")} == {
        name: before[name] for name in ("model", "metrics", "mlflow")
    }
    assert len(versions(trained)) == 1
    runs = mlflow.MlflowClient().search_runs([before["mlflow"]["experiment_id"]], "tags.`slipway.job` = 'train'")
    assert [run.data.tags["slipway.tries"] for run in runs] == ["1,2"]


def test_train_can_be_sent_back_to_an_older_version_of_raw(trained: Line) -> None:
    rows = demand_rows(level=50.0)
    trained.land(as_csv(rows))
    assert trained.run("ingest", run="second") == 0
    assert trained.run("train", run="second", data_version=1, force=True) == 0
    assert trained.outputs["tables"]["raw"]["version"] == 1
    assert trained.run("train", run="third", data_version=99) == 64
    assert "has no version 99" in trained.message


def test_an_estimator_that_scikit_learn_has_not_is_a_usage_error(trained: Line) -> None:
    trained.yaml["candidates"] = [{"name": "tree", "estimator": "sklearn.tree.ForestOfOne"}]
    assert trained.run("train", run="second") == 64
    assert "has no sklearn.tree.ForestOfOne" in trained.message


def test_an_estimator_outside_scikit_learn_is_a_usage_error(trained: Line) -> None:
    trained.yaml["candidates"] = [{"name": "shell", "estimator": "os.system"}]
    assert trained.run("train", run="second") == 64


def test_a_run_with_some_of_the_candidates_is_another_training(trained: Line) -> None:
    other = {"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}
    trained.yaml["candidates"].append(other)
    assert trained.run("train", run="second", only_candidates=["ridge"]) == 0
    assert {name.partition(".")[0] for name in trained.outputs["metrics"]} == {"ridge", "mean"}
    assert trained.run("train", run="third", only_candidates=["ridge"]) == 99
    assert trained.run("train", run="fourth") == 0
    assert {name.partition(".")[0] for name in trained.outputs["metrics"]} == {"ridge", "tree", "mean"}


def test_an_unknown_candidate_is_wrong_use(trained: Line) -> None:
    assert trained.run("train", run="second", only_candidates=["nobody"]) == 64
    assert "only_candidates: the pipeline has no candidate nobody" in trained.message


def test_experiment_run_and_model_say_what_they_are(trained: Line) -> None:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(trained.name)
    assert f"**{trained.name}**" in experiment.tags["mlflow.note.content"]
    note = client.get_run(trained.outputs["mlflow"]["run_id"]).data.tags["mlflow.note.content"]
    for fact in (f"train of {trained.name}, try 1", "`first`", "**Result**: done", "**Data**: raw version"):
        assert fact in note
    assert f"`{trained.name}.predict` uses" in client.get_registered_model(trained.name).description


def test_a_failed_train_closes_its_run_as_failed_with_the_reason(line: Line) -> None:
    assert line.run("train") == 65
    run = mlflow.MlflowClient().get_run(line.outputs["mlflow"]["run_id"])
    assert run.info.status == "FAILED"
    assert run.data.tags["slipway.error"] == line.message
