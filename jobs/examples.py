"""Rows with a known target, in an order that does not depend on files, and their split into two parts."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from jobs import content, lake
from jobs.errors import BadDataError, EmptyWindowError, MissingColumnError, UnusableTargetError

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Examples:
    """Labelled rows of a version of raw; `rows` are sorted by all their columns."""

    rows: pa.Table
    target: NDArray[Any]
    days: NDArray[np.datetime64] | None
    content_hash: str

    def span(self, places: Places) -> tuple[date, date] | None:
        """First and last day of these rows; None where there is no day."""
        if self.days is None:
            return None
        days = self.days[places]
        return days.min().astype(object), days.max().astype(object)


def read(name: str, version: int, target: str) -> Examples:
    """Raises EmptyWindowError, MissingColumnError or UnusableTargetError where nothing can be learnt."""
    table = lake.open_table(name, version)
    where = f"{name}@v{version}"
    if table is None:
        raise EmptyWindowError(f"there is no table {name}: has ingest run?")
    dataset = table.to_pyarrow_dataset()
    if target not in dataset.schema.names:
        raise MissingColumnError(
            f"{where} has no column {target} for the target; it has {', '.join(dataset.schema.names)}"
        )
    rows = dataset.to_table(filter=pc.field(target).is_valid())
    if not rows.num_rows:
        some = dataset.count_rows()
        raise UnusableTargetError(f"the target {target} is null in all {some:,} rows of {where}: is it filled later?")
    names = sorted(rows.column_names)
    rows = rows.select(names).sort_by([(column, "ascending") for column in names])
    digest = content.content_hash(rows.to_batches(), rows.schema)
    days = rows[lake.DAY].to_numpy() if lake.DAY in names else None
    values = rows[target].to_numpy()
    if len(rows[target].unique()) < 2:
        raise UnusableTargetError(
            f"the target {target} is {values[0]} in all {len(values):,} rows of {where}: nothing to learn"
        )
    return Examples(rows, values.astype(int) if values.dtype == bool else values, days, digest)


def split(examples: Examples, among: Places, test_fraction: float, seed: int, stratify: bool) -> tuple[Places, Places]:
    """Earlier and later days; without a day a draw, stratified for classes. Both parts hold rows."""
    if examples.days is not None:
        days = np.unique(examples.days[among])
        first = days[min(int(len(days) * (1 - test_fraction)), len(days) - 1)]
        later = examples.days[among] >= first
        parts = among[~later], among[later]
    else:
        classes = examples.target[among] if stratify else None
        try:
            parts = train_test_split(among, test_size=test_fraction, random_state=seed, stratify=classes)
        except ValueError as error:
            raise BadDataError(f"{len(among):,} rows can't be split at {test_fraction}: {error}") from error
        parts = np.sort(parts[0]), np.sort(parts[1])
    if not (len(parts[0]) and len(parts[1])):
        raise EmptyWindowError(
            f"{len(among):,} rows don't fill two parts at test_fraction {test_fraction}: ingest more days"
        )
    return parts


def everything(examples: Examples) -> Places:
    return np.arange(len(examples.target))
