"""Prediction rows: what was predicted, and from which model, run and version of raw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs import features, lake
from jobs.errors import UsageError
from jobs.model_store import LoadedModel
from jobs.predict.window import Hashes

DAYS_AT_ONCE = 30
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Predictor:
    """Turns raw rows into prediction rows, some days at a time."""

    model: LoadedModel
    raw: ds.Dataset
    key: Sequence[str]
    dag_run_id: str
    raw_version: int

    @property
    def kept(self) -> list[str]:
        """Columns that say which row a prediction is for: day and key, or all where there is no key."""
        names = list(self.raw.schema.names)
        missing = [name for name in self.key if name not in names]
        if missing:
            raise UsageError(f"key: raw has no column {', '.join(missing)}; it has {', '.join(names)}")
        wanted = [lake.DAY, *self.key] if self.key else names
        return [name for name in names if name in wanted]

    @property
    def schema(self) -> pa.Schema:
        """`probability` is the model's own for the predicted value; regression has none."""
        fields = [self.raw.schema.field(name) for name in self.kept]
        made = {"prediction": self._prediction_type()}
        made |= {"probability": pa.float64()} if self.model.card.classes else {}
        made |= {"model_version": pa.int64(), "model_run_id": pa.string(), "dag_run_id": pa.string()}
        made |= {"raw_version": pa.int64(), "raw_content_hash": pa.string()}
        clash = made.keys() & set(self.kept)
        if clash:
            raise UsageError(
                f"key: {', '.join(sorted(clash))} is a column of the predictions table; rename it in columns"
            )
        return pa.schema([*fields, *made.items()])

    def _prediction_type(self) -> pa.DataType:
        classes = self.model.card.classes
        if not classes:
            return pa.float64()
        return (
            pa.string() if isinstance(classes[0], str) else pa.int64() if isinstance(classes[0], int) else pa.float64()
        )

    def batches(self, hashes: Hashes) -> Iterator[pa.RecordBatch]:
        """Prediction rows for these days; `hashes` are of the raw rows they are made from."""
        days = sorted(day for day in hashes if day is not None)
        for start in range(0, len(days), DAYS_AT_ONCE):
            some = days[start : start + DAYS_AT_ONCE]
            wanted = pc.field(lake.DAY).isin(pa.array(some, pa.date32()))
            yield from self._predicted(self.raw.to_table(filter=wanted), hashes).to_batches()
        if not days:
            for batch in self.raw.to_batches(batch_size=ROWS_AT_ONCE):
                yield from self._predicted(pa.Table.from_batches([batch]), hashes).to_batches()

    def _predicted(self, rows: pa.Table, hashes: Hashes) -> pa.Table:
        version = self.model.version
        days: list[date | None] = (
            rows[lake.DAY].to_pylist() if lake.DAY in rows.column_names else [None] * rows.num_rows
        )
        made: dict[str, Any] = self._values(rows) | {
            "model_version": [version.number] * rows.num_rows,
            "model_run_id": [version.run_id] * rows.num_rows,
            "dag_run_id": [self.dag_run_id] * rows.num_rows,
            "raw_version": [self.raw_version] * rows.num_rows,
            "raw_content_hash": [hashes[day] for day in days],
        }
        columns = {name: rows[name] for name in self.kept} | made
        return pa.table([columns[field.name] for field in self.schema], schema=self.schema)

    def _values(self, rows: pa.Table) -> dict[str, Any]:
        card = self.model.card
        looked_at = features.frame(rows, card.features, card.calendar)
        if not card.classes:
            return {"prediction": self.model.guess(looked_at, [])}
        chances = self.model.guess(looked_at, card.classes)
        best = chances.argmax(axis=1)
        return {
            "prediction": [card.classes[place] for place in best],
            "probability": chances[np.arange(len(best)), best],
        }
