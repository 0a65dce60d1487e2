"""Faults of single rows go to quarantine; the rest becomes days of the raw table."""

from datetime import date

from line import Line, as_csv, demand_rows

HEADER = "day,hour,warm,demand\n"


def test_bad_rows_go_to_quarantine_with_their_reason_and_line(line: Line) -> None:
    good = as_csv(demand_rows(5, first=date(2023, 1, 1))).removeprefix(HEADER)
    bad = [
        "2024-01-01,x,1,2",
        "2024-01-01,24,1,2",
        "2024-01-01,,1,2",
        "2024-01-01,3,inf,2",
        "2024-01-01,4,1e999,2",
        "2024-01-01,5,NA,2",
        "2024-01-01,6,1",
        "",
        "2024-01-01,7,1,2,3",
        "2024-01-01,8,1,-1",
        "2024-13-01,8,1,1",
        "2023-01-01,0,1,1",
        "2024-01-01,1.5,1,1",
    ]
    line.land(HEADER + good + "\n".join(bad) + "\n2024-01-02,1,1,1\n")
    assert line.run("ingest") == 0
    first = 122
    found = {row["line"]: (row["reason"], row["raw"]) for row in line.rows("quarantine")}
    assert found == {
        first: ("hour is not an integer", "2024-01-01,x,1,2"),
        first + 1: ("hour is above 23", "2024-01-01,24,1,2"),
        first + 2: ("hour is empty", "2024-01-01,,1,2"),
        first + 3: ("warm is not a number", "2024-01-01,3,inf,2"),
        first + 4: ("warm is not a number", "2024-01-01,4,1e999,2"),
        first + 5: ("warm is not a number", "2024-01-01,5,NA,2"),
        first + 6: ("too few fields", "2024-01-01,6,1"),
        first + 8: ("too many fields", "2024-01-01,7,1,2,3"),
        first + 9: ("demand is below 0", "2024-01-01,8,1,-1"),
        first + 10: ("day is not a date", "2024-13-01,8,1,1"),
        first + 11: ("duplicate of the key day, hour", "2023-01-01,0,1,1"),
        first + 12: ("hour is not an integer", "2024-01-01,1.5,1,1"),
    }
    assert line.outputs["counts"] == {"rows": 121, "days": 6, "changed_days": 6, "quarantined": 12, "files": 1}


def test_a_second_run_doubles_nothing_and_has_nothing_to_do(line: Line) -> None:
    line.land(as_csv(demand_rows(3)) + "2024-02-01,99,1,1\n")
    assert line.run("ingest") == 0
    raw = line.outputs["tables"]["raw"]
    assert line.run("ingest", run="second") == 99
    assert line.outputs["reason"] == f"raw@v{raw['version']} has these 72 rows already: nothing changed in the source"
    assert len(line.rows("raw")) == 72
    assert len(line.rows("quarantine")) == 1


def test_a_retry_of_a_run_that_committed_is_done_with_the_same_content(line: Line) -> None:
    line.land(as_csv(demand_rows(3)))
    assert line.run("ingest") == 0
    raw = line.outputs["tables"]["raw"]
    assert line.run("ingest", attempt=2) == 0
    assert line.outputs["tables"]["raw"] == raw
    assert line.outputs["counts"]["changed_days"] == 0


def test_only_the_days_that_changed_are_written_whatever_the_order_of_rows(line: Line) -> None:
    rows = demand_rows(4)
    line.land(as_csv(rows))
    assert line.run("ingest") == 0
    rows[0][3] += 1
    line.land(as_csv(rows[::-1]))
    assert line.run("ingest", run="second") == 0
    assert line.outputs["counts"]["changed_days"] == 1
    assert len(line.rows("raw")) == 96


def test_too_many_bad_rows_stop_before_raw_is_touched(line: Line) -> None:
    line.land(HEADER + "2024-01-01,1,1,1\n2024-01-01,x,1,1\n")
    assert line.run("ingest") == 65
    assert "1 of 2 rows are refused, more than max_bad_rows_fraction 0.1" in line.message
    assert line.rows("raw") == []
    assert len(line.rows("quarantine")) == 1


def test_an_integer_beyond_the_precision_of_doubles_stays_exact(line: Line) -> None:
    line.yaml["columns"] = line.yaml["columns"] | {"hour": "integer"}
    line.land(HEADER + f"2024-01-01,{2**53 + 1},1,1\n")
    assert line.run("ingest") == 0
    assert line.rows("raw")[0]["hour"] == 2**53 + 1


def test_na_is_a_text_and_only_the_empty_field_is_null(line: Line) -> None:
    line.yaml["columns"] = line.yaml["columns"] | {"warm": {"type": "string", "nullable": True}}
    line.land(HEADER + "2024-01-01,1,NA,1\n2024-01-01,2,,1\n")
    assert line.run("ingest") == 0
    assert sorted((row["hour"], row["warm"]) for row in line.rows("raw")) == [(1, "NA"), (2, None)]


def test_start_and_end_limit_the_days_that_are_taken(line: Line) -> None:
    line.land(as_csv(demand_rows(5)))
    assert line.run("ingest", start="2024-01-02", end="2024-01-03") == 0
    assert sorted({str(row["day"]) for row in line.rows("raw")}) == ["2024-01-02", "2024-01-03"]


def test_a_window_without_rows_is_bad_data(line: Line) -> None:
    line.land(as_csv(demand_rows(2)))
    assert line.run("ingest", start="2030-01-01") == 65
    assert line.outputs["error"]["type"] == "EmptyWindowError"


def test_columns_that_changed_since_the_table_was_made_are_told(line: Line) -> None:
    line.land(as_csv(demand_rows(2)))
    assert line.run("ingest") == 0
    line.yaml["columns"] = line.yaml["columns"] | {"warm": "string"}
    assert line.run("ingest", run="second") == 65
    assert line.outputs["error"]["type"] == "SchemaChangedError"
