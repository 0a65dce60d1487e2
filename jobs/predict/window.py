"""Which days predict looks at, and which of them it has to predict."""

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from jobs import lake
from jobs.errors import UsageError
from jobs.model_card import ModelCard
from jobs.predict.parameters import Parameters

Hashes = dict[date | None, str]


@dataclass(frozen=True)
class Window:
    """Days from `first` to `last`, both inclusive; None is open, and both are None where raw has no day."""

    first: date | None
    last: date | None
    has_day: bool

    @classmethod
    def of(cls, parameters: Parameters, has_day: bool, card: ModelCard) -> "Window":
        """The form's days; by default those after the model's training window."""
        if not has_day:
            if parameters.start or parameters.end:
                raise UsageError("start and end need a raw table with a day; leave them empty")
            return cls(None, None, False)
        first = parameters.start
        if first is None and card.train_span is not None:
            first = card.train_span[1] + timedelta(days=1)
        return cls(first, parameters.end, True)

    def filter(self) -> pc.Expression | None:
        """What selects the window's rows; None for all."""
        day = pc.field(lake.DAY)
        limits = [day >= pa.scalar(self.first, pa.date32())] if self.first else []
        limits += [day <= pa.scalar(self.last, pa.date32())] if self.last else []
        if not limits:
            return None
        return limits[0] if len(limits) == 1 else limits[0] & limits[1]

    def __str__(self) -> str:
        return f"from {self.first or 'the first day'} to {self.last or 'the last day'}" if self.has_day else "in full"


def predicted(table: DeltaTable | None, window: Window, model_version: int, counted: set[int]) -> Hashes:
    """For each day the hash of the raw rows that its predictions were made from, where a counted version made them.

    Without a day only predictions of this model count: a new champion predicts such a table again.
    """
    if table is None:
        return {}
    found = table.to_pyarrow_dataset().to_table(
        filter=window.filter(), columns=[*[lake.DAY] * window.has_day, "raw_content_hash", "model_version"]
    )
    unique = found.group_by(found.column_names).aggregate([]).to_pylist()
    if window.has_day:
        return {row[lake.DAY]: row["raw_content_hash"] for row in unique if row["model_version"] in counted}
    own = [row["raw_content_hash"] for row in unique if row["model_version"] == model_version]
    return {None: own[0]} if len(own) == len(unique) == 1 else {}
