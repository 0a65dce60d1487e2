"""A pipeline may name its columns as it likes; staging's own names stay out of the way."""

import pytest
from line import Line


@pytest.mark.parametrize("names", [["reason", "n"], ["file", "raw"], ["rowid", "id"], ["place", "line"]])
def test_any_name_may_be_a_column(line: Line, names: list[str]) -> None:
    line.yaml |= {"columns": dict.fromkeys(names, "integer"), "day": None, "key": names[:1]}
    line.land(f"{names[0]},{names[1]},slipway_n,N\n1,2,3,4\n1,3,5,6\n{'7,8,9,10' + chr(10) * 1}")
    assert line.run("ingest", max_bad_rows_fraction=0.5) == 0
    assert [[row[name] for name in names] for row in sorted(line.rows("raw"), key=lambda row: row[names[0]])] == [
        [1, 2],
        [7, 8],
    ]
    (refused,) = line.rows("quarantine")
    assert (refused["line"], refused["raw"]) == (3, "1,3,5,6")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["a", "A"], "columns: a and A differ only in case; rename one"),
        (["DAY", "when"], "columns: day and DAY differ only in case; rename one"),
        (["Slipway_n"], "columns: Slipway_n begins with slipway_, which is kept for our own; rename it"),
    ],
)
def test_names_that_the_lake_cannot_tell_apart_are_a_usage_error(line: Line, columns: list[str], said: str) -> None:
    line.yaml |= {"columns": dict.fromkeys(columns, "date"), "day": "when" if "when" in columns else None, "key": []}
    assert line.run("ingest") == 64
    assert line.message == said
