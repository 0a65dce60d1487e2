"""From raw rows to what a model looks at: numbers as doubles, texts as texts, and features derived from the day."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.errors import MissingColumnError, UsageError
from jobs.lake import DAY

CALENDAR = {"year": pc.year, "month": pc.month, "weekday": pc.day_of_week, "day_of_year": pc.day_of_year}


def frame(rows: pa.Table, columns: Iterable[str], calendar: Iterable[str]) -> pd.DataFrame:
    """One column per feature, in this order; raises MissingColumnError for one that raw has not."""
    wanted, derived = list(columns), list(calendar)
    twice = sorted(set(wanted) & set(derived))
    if twice:
        raise UsageError(f"calendar: {', '.join(twice)} is also a feature; name it in one of the two")
    missing = [name for name in wanted if name not in rows.column_names]
    if missing:
        raise MissingColumnError(f"raw has no column {', '.join(missing)}; it has {', '.join(rows.column_names)}")
    values = {name: _values(rows[name], name) for name in wanted}
    return pd.DataFrame(values | {name: _as_double(CALENDAR[name](rows[DAY])) for name in derived})


def kinds(features: pd.DataFrame) -> dict[str, str]:
    """For each feature `double` or `string`."""
    return {name: "double" if features[name].dtype == np.float64 else "string" for name in features.columns}


def _values(column: pa.ChunkedArray, name: str) -> NDArray[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # Encoders sort their categories, and None does not compare with texts.
        return np.array(pc.fill_null(column, "").to_pylist(), dtype=object)
    if pa.types.is_temporal(column.type):
        raise UsageError(f"features: {name} is a {column.type}; use calendar for features derived from the day")
    return _as_double(column)


def _as_double(column: pa.ChunkedArray) -> NDArray[Any]:
    # Integers, too: a null would make them doubles later, and a model's signature would refuse those.
    return pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
