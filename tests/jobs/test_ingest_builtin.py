"""The two built-in sources."""

from line import Line

BIKES = {"builtin": "bike_demand", "start": "2023-01-01", "end": "2023-03-31"}
BIKE_COLUMNS = {
    "day": "date",
    "hour": {"type": "integer", "minimum": 0, "maximum": 23},
    "weather": "string",
    "temperature": "number",
    "humidity": {"type": "number", "minimum": 0, "maximum": 1},
    "demand": {"type": "integer", "minimum": 0},
}


def bikes(line: Line, **more: object) -> Line:
    line.yaml |= {"source": BIKES | more, "columns": BIKE_COLUMNS}
    return line


def by_hour(line: Line, day: str) -> list[dict[str, object]]:
    return sorted((row for row in line.rows("raw") if str(row["day"]) == day), key=lambda row: str(row["hour"]))


def test_any_window_of_generated_days_has_the_same_rows(line: Line) -> None:
    assert bikes(line).run("ingest") == 0
    whole = by_hour(line, "2023-02-10")
    assert len(whole) == 24
    assert line.run("ingest", run="second", start="2023-02-10", end="2023-02-12") == 99
    assert by_hour(line, "2023-02-10") == whole


def test_generated_defects_end_in_quarantine_and_drift_changes_the_rows(line: Line) -> None:
    assert bikes(line, defects=0.05).run("ingest") == 0
    refused = line.outputs["counts"]["quarantined"]
    assert 60 < refused < 160
    assert {row["file"][:25] for row in line.rows("quarantine")} == {"builtin:bike_demand/2023-"}
    assert bikes(line, drift=2.0).run("ingest", run="second") == 0
    assert line.outputs["counts"]["changed_days"] > 80


def test_generated_data_says_that_it_is_generated(line: Line) -> None:
    import mlflow

    assert bikes(line).run("ingest") == 0
    run = mlflow.MlflowClient().get_run(line.outputs["mlflow"]["run_id"])
    assert run.data.tags["slipway.generated"] == "true"


def test_a_column_that_a_builtin_has_not_is_named(line: Line) -> None:
    bikes(line).yaml["columns"] = BIKE_COLUMNS | {"snow": "number"}
    assert line.run("ingest") == 65
    assert line.message.startswith("builtin:bike_demand has no column snow; it has ")


def test_a_classification_without_a_day_goes_the_whole_way(line: Line) -> None:
    numbers = ["mean_radius", "mean_texture", "worst_area", "worst_concave_points"]
    line.yaml |= {
        "source": {"builtin": "breast_cancer"},
        "columns": {"sample": "integer", "malignant": "integer"} | dict.fromkeys(numbers, "number"),
        "day": None,
        "key": ["sample"],
        "task": "classification",
        "target": "malignant",
        "features": numbers,
        "candidates": [{"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression"}],
        "metric": "roc_auc",
    }
    assert [line.run(job) for job in ("ingest", "train", "promote", "predict")] == [0, 0, 0, 0]
    rows = line.rows("predictions")
    assert len(rows) == 569
    assert {row["prediction"] for row in rows} == {0, 1}
    assert all(0.5 <= row["probability"] <= 1 for row in rows)
    assert line.run("predict", run="second") == 99
