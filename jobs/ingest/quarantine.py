"""The table of refused rows: why, and where each came from."""

import hashlib
import logging
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from jobs import lake
from jobs.tracking import TrackedRun

log = logging.getLogger(__name__)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("dag_run_id", pa.string()),
        ("requested_at", pa.string()),
    ]
)


def quarantine(refused: Iterable[pa.RecordBatch], run: TrackedRun) -> int | None:
    """Add the refused rows that are not there yet, so that a second run doubles none; the table's version."""
    name = f"{run.pipeline}/quarantine"
    table = lake.open_table(name)
    known = set()
    if table is not None:
        known = {
            row for batch in table.to_pyarrow_dataset().to_batches(columns=["id"]) for row in batch["id"].to_pylist()
        }
    batches = list(_new(refused, known, run))
    fresh = sum(batch.num_rows for batch in batches)
    if not fresh:
        return None if table is None else table.version()
    table = table or lake.create_table(name, SCHEMA)
    rows = pa.RecordBatchReader.from_batches(SCHEMA, batches)
    fence = lake.Fence.of(run.inputs.run, name)
    log.info("%s rows are new in quarantine", f"{fresh:,}")
    return lake.append(table, rows, fence, lake.run_metadata(run.inputs.run))


def _new(refused: Iterable[pa.RecordBatch], known: set[str], run: TrackedRun) -> Iterator[pa.RecordBatch]:
    for batch in refused:
        text = pc.binary_join_element_wise(
            batch["file"], batch["line"].cast(pa.string()), batch["reason"], pc.fill_null(batch["raw"], ""), "\0"
        )
        ids = [hashlib.sha256(row.encode()).hexdigest() for row in text.to_pylist()]
        who = [
            pa.array([value] * batch.num_rows, pa.string())
            for value in (run.inputs.run.run_id, run.inputs.run.requested_at)
        ]
        columns = [pa.array(ids), *(batch[name] for name in ("file", "line", "reason", "raw")), *who]
        whole = pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )
        yield whole.filter(pa.array([row not in known for row in ids]))
