"""Files made to mislead: each is read as what it is, or stops the job before a table is touched."""

import gzip
from datetime import date

from line import Line, as_csv, demand_rows


def days(line: Line) -> set[date]:
    return {row["day"] for row in line.rows("raw")}


def test_a_name_that_looks_like_a_glob_is_read_as_that_file(line: Line) -> None:
    line.land(as_csv(demand_rows(1, first=date(2024, 1, 1))), "data[1].csv")
    line.land(as_csv(demand_rows(1, first=date(2024, 1, 2))), "data1.csv")
    assert line.run("ingest") == 0
    assert days(line) == {date(2024, 1, 1), date(2024, 1, 2)}


def test_a_file_called_like_a_glob_opens_no_file_outside_landing(line: Line) -> None:
    outside = line.folder / "outside.csv"
    outside.write_text(as_csv(demand_rows(9, first=date(2020, 1, 1))))
    line.land(as_csv(demand_rows(1)), "*.csv")
    (line.landing / "zz.csv").symlink_to(outside)
    assert line.run("ingest") == 0
    assert days(line) == {date(2024, 1, 1)}


def test_line_ends_of_two_kinds_stop_the_job(line: Line) -> None:
    line.land(as_csv(demand_rows(1)) + as_csv(demand_rows(1, first=date(2024, 1, 2))).replace("\n", "\r\n"))
    assert line.run("ingest") == 65
    assert "line ends" in line.message
    assert line.rows("raw") == []


def test_the_year_zero_goes_to_quarantine(line: Line) -> None:
    line.land(as_csv(demand_rows(2)) + "0000-01-01,1,1,1\n")
    assert line.run("ingest") == 0
    assert [row["reason"] for row in line.rows("quarantine")] == ["day is not a date"]


def test_a_bomb_of_blank_lines_is_put_aside_at_once(line: Line) -> None:
    line.land(gzip.compress(as_csv(demand_rows(1)).encode() + b"\n" * 5_000_000), "rows.csv.gz")
    line.yaml["source"] = {"files": "*.gz"}
    assert line.run("ingest") == 65
    assert "blank lines" in line.message or "times its size" in line.message
