"""The table's content hash is of the whole table, and ingest reads only what it does not know yet."""

from typing import Any

import pytest
from line import Line, as_csv, demand_rows

from jobs import content, lake
from jobs.ingest import ingest


def hash_of(line: Line) -> str:
    table = lake.open_table(f"{line.name}/raw")
    assert table is not None
    dataset = table.to_pyarrow_dataset()
    return content.content_hash(dataset.to_batches(), dataset.schema)


def test_a_window_of_days_gives_the_hash_of_the_whole_table(line: Line) -> None:
    line.land(as_csv(demand_rows(5)))
    assert line.run("ingest") == 0
    line.land(as_csv(demand_rows(5, level=20.0)))
    assert line.run("ingest", run="second", start="2024-01-02", end="2024-01-03") == 0
    assert line.outputs["tables"]["raw"]["content_hash"] == hash_of(line)
    assert line.run("ingest", run="third", start="2024-01-02", end="2024-01-03") == 99
    assert line.outputs["tables"]["raw"]["content_hash"] == hash_of(line)


def test_a_forced_ingest_writes_every_day_once_however_many_tries_it_has(line: Line) -> None:
    line.land(as_csv(demand_rows(5)))
    assert line.run("ingest") == 0
    before = line.outputs["tables"]["raw"]
    assert line.run("ingest", run="second", force=True) == 0
    assert line.outputs["counts"]["changed_days"] == 5
    forced = line.outputs["tables"]["raw"]
    assert line.run("ingest", run="second", attempt=2, force=True) == 0
    assert line.outputs["tables"]["raw"] == forced == {**before, "version": before["version"] + 1}


def test_a_first_ingest_hashes_its_rows_once(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    digests = content.digests_by_day

    def counted(batches: Any) -> Any:
        found = digests(batches)
        hashed.append(sum(digest.rows for digest in found.values()))
        return found

    monkeypatch.setattr(ingest.content, "digests_by_day", counted)
    line.land(as_csv(demand_rows(5)))
    assert line.run("ingest") == 0
    assert sum(hashed) == 120


def test_only_refused_rows_that_are_new_are_added_to_a_large_quarantine(line: Line) -> None:
    bad = [f"2024-01-01,x{place},1,1" for place in range(60_000)]
    header = "day,hour,warm,demand\n"
    line.land(header + "\n".join(bad[:-1]) + "\n")
    assert line.run("ingest") == 65
    assert len(line.rows("quarantine")) == 59_999
    line.land(header + "\n".join(bad) + "\n")
    assert line.run("ingest", run="second") == 65
    found = line.rows("quarantine")
    assert len(found) == len({row["id"] for row in found}) == 60_000
    assert [row["raw"] for row in found if row["dag_run_id"] == "second"] == [bad[-1]]
