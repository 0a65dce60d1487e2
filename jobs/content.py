"""A hash of rows that depends on nothing but the rows: not on their order, the files, or an engine's version."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.lake import DAY

_MODULUS = 1 << 256


@dataclass
class Digest:
    """Adds up the hashes of rows, so that any order, and any split into parts, gives the same sum."""

    rows: int = 0
    total: int = 0

    def add(self, rows: int, total: int) -> None:
        self.rows += rows
        self.total = (self.total + total) % _MODULUS

    def hexdigest(self, schema: pa.Schema) -> str:
        columns = ",".join(f"{field.name}:{field.type}" for field in sorted(schema, key=lambda field: field.name))
        return hashlib.sha256(f"{columns};{self.rows};{self.total:x}".encode()).hexdigest()


def row_texts(batch: pa.RecordBatch) -> list[bytes]:
    """One canonical text per row. Empty means null: ingest lets in neither empty strings nor NUL bytes."""
    columns = [_canonical(batch.column(name)) for name in sorted(batch.schema.names)]
    return pc.binary_join_element_wise(*columns, "\0").cast(pa.binary()).to_pylist()


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
    for batch in filter(len, batches):
        column = batch.column(DAY) if DAY in batch.schema.names else pa.nulls(batch.num_rows, pa.date32())
        days = column.dictionary_encode(null_encoding="encode")
        places = days.indices.to_numpy()
        rows = np.bincount(places)
        for day, count, total in zip(days.dictionary.to_pylist(), rows.tolist(), _sums(batch, places), strict=True):
            digests[day].add(count, total)
    return dict(digests)


def _sums(batch: pa.RecordBatch, places: NDArray[Any]) -> list[int]:
    """Per place, the sum of its rows' hashes: added up in words, because Python's large integers are slow."""
    sha256 = hashlib.sha256
    hashes = b"".join([sha256(text).digest() for text in row_texts(batch)])
    words = np.frombuffer(hashes, ">u4").reshape(-1, 8)
    # Doubles are exact here: below 2**21 rows of words below 2**32.
    sums = [np.bincount(places, words[:, word]) for word in range(8)]
    return [sum(int(word) << 32 * (7 - at) for at, word in enumerate(words)) for words in zip(*sums, strict=True)]


def whole(digests: Iterable[Digest]) -> Digest:
    """The digest of all rows together."""
    parts = list(digests)
    return Digest(sum(part.rows for part in parts), sum(part.total for part in parts) % _MODULUS)


@dataclass
class Witness:
    """Sees rows on their way to somewhere else."""

    seen: list[Digest] = field(default_factory=list)

    def passing(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.seen += digests_by_day([batch]).values()
            yield batch

    def content_hash(self, schema: pa.Schema) -> str:
        return whole(self.seen).hexdigest(schema)


def content_hash(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> str:
    return whole(digests_by_day(batches).values()).hexdigest(schema)
