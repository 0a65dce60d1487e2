"""Faults of a whole file stop ingest before a table is touched."""

import gzip

import pytest
from line import Line, as_csv, demand_rows

GOOD = as_csv(demand_rows(2))


def test_a_file_that_is_not_there_is_named_with_what_is_there(line: Line) -> None:
    line.land(GOOD, "other.txt")
    assert line.run("ingest") == 65
    assert "no file matches *.csv" in line.message
    assert "there is other.txt" in line.message
    assert line.rows("raw") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "rows.csv is empty", id="an empty file"),
        pytest.param(b"day,hour,warm,demand\n", "has a header but no rows", id="a header only"),
        pytest.param(
            b"day,hour,wram,demand\n2024-01-01,1,2,3\n", "the nearest header is 'wram'", id="a missing column"
        ),
        pytest.param(b"day;hour;warm;demand\n2024-01-01;1;2;3\n", "separated by ';'", id="another delimiter"),
        pytest.param(b"day,hour,warm,demand,hour\n2024-01-01,1,2,3,4\n", "names 'hour' twice", id="a header twice"),
        pytest.param(b"day,hour,warm,demand\n2024-01-01,1,2,\xe9\n", "line 2: not UTF-8 at byte 16", id="latin-1"),
        pytest.param("day,hour,warm,demand\n2024-01-01,1,2,3\n".encode("utf-16"), "not UTF-8", id="utf-16"),
        pytest.param(b"day,hour,warm,demand\n2024-01-01,1,2\x00,3\n", "line 2: a NUL byte", id="a NUL byte"),
        pytest.param(
            b"day,hour,warm,demand\n" + b"1" * (1 << 20) + b"1,1,2,3\n", "line 2: longer than", id="a long line"
        ),
        pytest.param(
            b'day,hour,warm,demand\n2024-01-01,1,2,3\n2024-01-01,2,"2,3\n', "line 3: a quote", id="an open quote"
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_name(line: Line, content: bytes, said: str) -> None:
    line.land(content)
    assert line.run("ingest") == 65
    assert said in line.message
    assert line.message.startswith("rows.csv")
    assert line.rows("raw") == line.rows("quarantine") == []


def test_a_byte_order_mark_and_windows_line_ends_are_read(line: Line) -> None:
    line.land(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert line.run("ingest") == 0
    assert len(line.rows("raw")) == 48


def test_a_gzip_file_is_read_as_the_plain_one(line: Line) -> None:
    line.yaml["source"] = {"files": "*"}
    line.land(gzip.compress(GOOD.encode()), "rows.csv.gz")
    assert line.run("ingest") == 0
    assert len(line.rows("raw")) == 48


def test_a_gzip_file_that_unpacks_to_far_more_is_refused(line: Line) -> None:
    line.yaml["source"] = {"files": "*.gz"}
    line.land(gzip.compress(b"day,hour,warm,demand\n" + b"2024-01-01,1,2,3\n" * 400_000), "rows.csv.gz")
    assert line.run("ingest") == 65
    assert "unpacks to more than" in line.message


def test_a_pattern_that_leaves_landing_is_a_usage_error(line: Line) -> None:
    line.yaml["source"] = {"files": "../secrets/*.csv"}
    assert line.run("ingest") == 64


def test_a_link_out_of_landing_is_not_a_source(line: Line) -> None:
    outside = line.folder / "outside.csv"
    outside.write_text(GOOD)
    line.landing.mkdir(parents=True)
    (line.landing / "rows.csv").symlink_to(outside)
    assert line.run("ingest") == 65
    assert "the folder is empty" in line.message
