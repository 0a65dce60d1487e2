"""The table of refused rows: why, and where each came from."""

from itertools import chain

import pyarrow as pa

from jobs import lake
from jobs.identity import RunIdentity
from jobs.ingest.staging import Staging
from jobs.tracking import TrackedRun

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


def quarantine(staging: Staging, run: TrackedRun) -> int | None:
    """Add the refused rows that are not there yet, so that a second run doubles none; the table's version."""
    name = f"{run.pipeline}/quarantine"
    table = lake.open_table(name)
    known = table.to_pyarrow_dataset().scanner(columns=["id"]).to_reader() if table is not None else None
    fresh = staging.refused(known)
    first = next(fresh, None)
    if first is None:
        return None if table is None else table.version()
    table = table or lake.create_table(name, SCHEMA)
    batches = (_with_run(batch, run.inputs.run) for batch in chain([first], fresh))
    rows = pa.RecordBatchReader.from_batches(SCHEMA, batches)
    return lake.append(table, rows, lake.Fence.of(run.inputs.run, name), lake.run_metadata(run.inputs.run))


def _with_run(batch: pa.RecordBatch, run: RunIdentity) -> pa.RecordBatch:
    who = {"dag_run_id": run.run_id, "requested_at": run.requested_at}
    columns = {name: pa.repeat(pa.scalar(value), batch.num_rows) for name, value in who.items()}
    columns |= {name: batch[name] for name in batch.schema.names}
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in SCHEMA], schema=SCHEMA)
