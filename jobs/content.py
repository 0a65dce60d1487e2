"""A hash of rows that depends on nothing but the rows: not on their order, the files, or an engine's version."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake import DAY

_MODULUS = 1 << 256


@dataclass
class Digest:
    """Adds up the hashes of rows, so that any order, and any split into parts, gives the same sum."""

    rows: int = 0
    total: int = 0

    def add(self, row: str) -> None:
        self.rows += 1
        self.total = (self.total + int.from_bytes(hashlib.sha256(row.encode()).digest())) % _MODULUS

    def hexdigest(self, schema: pa.Schema) -> str:
        columns = ",".join(f"{field.name}:{field.type}" for field in sorted(schema, key=lambda field: field.name))
        return hashlib.sha256(f"{columns};{self.rows};{self.total:x}".encode()).hexdigest()


def row_texts(batch: pa.RecordBatch) -> list[str]:
    """One canonical text per row. Empty means null: ingest lets in neither empty strings nor NUL bytes."""
    columns = [_canonical(batch.column(name)) for name in sorted(batch.schema.names)]
    return pc.binary_join_element_wise(*columns, "\0").to_pylist()


def _canonical(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        # The bits, because how a float is printed is the engine's choice; adding zero makes -0.0 and 0.0 one.
        column = pc.add(column.cast(pa.float64()), 0.0).view(pa.int64())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.date32()).view(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).view(pa.int64())
    return pc.fill_null(column.cast(pa.string()), "")


def digests_by_day(batches: Iterable[pa.RecordBatch]) -> dict[date | None, Digest]:
    """A digest per day; under None where the rows have no day."""
    digests: dict[date | None, Digest] = defaultdict(Digest)
    for batch in batches:
        days = batch.column(DAY).to_pylist() if DAY in batch.schema.names else [None] * batch.num_rows
        for day, text in zip(days, row_texts(batch), strict=True):
            digests[day].add(text)
    return dict(digests)


def whole(digests: Iterable[Digest]) -> Digest:
    """The digest of all rows together."""
    parts = list(digests)
    return Digest(sum(part.rows for part in parts), sum(part.total for part in parts) % _MODULUS)


def content_hash(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> str:
    return whole(digests_by_day(batches).values()).hexdigest(schema)


def passing(batches: Iterable[pa.RecordBatch], digest: Digest) -> Iterator[pa.RecordBatch]:
    """The same batches, added to `digest` on their way."""
    for batch in batches:
        for text in row_texts(batch):
            digest.add(text)
        yield batch
