"""Predict: which rows get a prediction, and what each says about its origin."""

import pytest
from line import Line, as_csv, demand_rows


@pytest.fixture
def promoted(trained: Line) -> Line:
    assert trained.run("promote") == 0
    return trained


def days(line: Line) -> list[str]:
    return sorted({str(row["day"]) for row in line.rows("predictions")})


def test_without_a_champion_there_is_nothing_to_do(trained: Line) -> None:
    assert trained.run("predict") == 99
    assert trained.outputs["reason"].startswith(f"no champion for {trained.name} yet: ")


def test_the_days_after_the_training_window_are_predicted_once(promoted: Line) -> None:
    assert promoted.run("predict") == 0
    assert promoted.outputs["counts"] == {"rows": 96, "days": 4}
    assert days(promoted) == ["2024-01-17", "2024-01-18", "2024-01-19", "2024-01-20"]
    row = promoted.rows("predictions")[0]
    assert sorted(row) == sorted(
        ["day", "hour", "prediction", "model_version", "model_run_id", "dag_run_id", "raw_version", "raw_content_hash"]
    )
    assert promoted.run("predict", run="second") == 99
    assert promoted.run("predict", attempt=2) == 0


def test_only_days_that_are_new_or_changed_are_predicted_again(promoted: Line) -> None:
    assert promoted.run("predict") == 0
    rows = demand_rows(22)
    rows[17 * 24][2] += 1
    promoted.land(as_csv(rows))
    assert promoted.run("ingest", run="second") == 0
    assert promoted.run("predict", run="second") == 0
    assert promoted.outputs["counts"] == {"rows": 72, "days": 3}
    made = {str(row["day"]): row["dag_run_id"] for row in promoted.rows("predictions")}
    assert [day for day, run in sorted(made.items()) if run == "second"] == ["2024-01-18", "2024-01-21", "2024-01-22"]


def test_start_and_end_widen_the_window_and_force_predicts_again(promoted: Line) -> None:
    assert promoted.run("predict", start="2024-01-02", end="2024-01-03") == 0
    assert days(promoted) == ["2024-01-02", "2024-01-03"]
    assert promoted.run("predict", run="second", start="2024-01-02", end="2024-01-03") == 99
    assert promoted.run("predict", run="third", start="2024-01-02", end="2024-01-03", force=True) == 0
    assert len(promoted.rows("predictions")) == 48


def test_another_model_than_the_champion_predicts_what_is_not_its_own(promoted: Line) -> None:
    assert promoted.run("predict") == 0
    promoted.yaml["candidates"][0]["params"] = {"max_depth": 2}
    assert promoted.run("train", run="weak") == 0
    assert promoted.run("predict", run="second", model="challenger") == 0
    assert {row["model_version"] for row in promoted.rows("predictions")} == {2}
    assert promoted.outputs["reason"] == "version 2 (challenger) was asked to predict, and not the champion"
    assert promoted.run("predict", run="third", model="2") == 99
    assert promoted.run("predict", run="fourth") == 0
    assert {row["model_version"] for row in promoted.rows("predictions")} == {1}


def test_a_version_that_is_not_there_is_wrong_use(promoted: Line) -> None:
    assert promoted.run("predict", model="7") == 64
    assert promoted.message == f"model: {promoted.name} has no version 7; the newest is 1"


def test_a_window_that_ends_before_it_starts_is_wrong_use(promoted: Line) -> None:
    assert promoted.run("predict", start="2024-02-01", end="2024-01-01") == 64
    assert "start: 2024-02-01 lies after end, 2024-01-01" in promoted.message


def test_a_window_without_rows_is_bad_data(promoted: Line) -> None:
    assert promoted.run("predict", start="2031-01-01") == 65
    assert promoted.outputs["error"]["type"] == "EmptyWindowError"


def test_a_champion_with_other_features_than_the_pipeline_names_today_still_predicts(promoted: Line) -> None:
    promoted.yaml["features"] = ["warm"]
    assert promoted.run("predict") == 0
