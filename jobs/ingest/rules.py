"""SQL that turns a column's text into its type, and says what is wrong with a row."""

from collections.abc import Mapping

import pyarrow as pa

from jobs.errors import UsageError
from jobs.lake import DAY
from jobs.pipeline import Column

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
RESERVED = "slipway_"
_INTEGER = r"\s*[+-]?\d+(\.0*)?\s*"
_NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
_DATE = r"\s*\d{4}-\d{2}-\d{2}([ T]00:00(:00(\.0+)?)?)?\s*"
_TIMESTAMP = r"\s*\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?(Z|[+-]00:?00)?\s*"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def value_sql(column: Column, text: str) -> str:
    """The typed value of `text`, null where it is not one: DuckDB's own casts would round, trim and guess."""
    if column.type == "string":
        return text
    if column.type == "integer":
        digits = rf"regexp_replace({text}, '\.0*\s*$', '')"
        return f"CASE WHEN regexp_full_match({text}, '{_INTEGER}') THEN TRY_CAST({digits} AS BIGINT) END"
    if column.type == "number":
        number = f"CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN TRY_CAST({text} AS DOUBLE) END"
        # 1e999 is a number by its form, and infinite by its value.
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if column.type == "boolean":
        word = f"lower(trim({text}))"
        return f"CASE WHEN {word} IN ('true', '1') THEN true WHEN {word} IN ('false', '0') THEN false END"
    # Python, and so every reader of ours, counts years from 1.
    form = f"left(trim({text}), 4) <> '0000' AND regexp_full_match({text}, "
    if column.type == "date":
        return f"CASE WHEN {form}'{_DATE}') THEN TRY_CAST(left(trim({text}), 10) AS DATE) END"
    bare = rf"regexp_replace(trim({text}), '(Z|[+-]00:?00)$', '')"
    return f"CASE WHEN {form}'{_TIMESTAMP}') THEN TRY_CAST({bare} AS TIMESTAMP) END"


def reasons_sql(name: str, column: Column, text: str, value: str, required: bool) -> list[str]:
    """Expressions that are a reason to refuse the row, or null."""
    article = "an" if column.type == "integer" else "a"
    wrong = literal(f"{name} is not {article} {column.type}")
    found = [f"CASE WHEN {text} IS NOT NULL AND {value} IS NULL THEN {wrong} END"]
    if required or not column.nullable:
        found.append(f"CASE WHEN {text} IS NULL THEN {literal(f'{name} is empty')} END")
    for bound, sign, word in ((column.minimum, "<", "below"), (column.maximum, ">", "above")):
        if bound is not None:
            found.append(f"CASE WHEN {value} {sign} {bound!r} THEN {literal(f'{name} is {word} {bound}')} END")
    return found


def check_columns(columns: Mapping[str, Column], day: str | None, key: list[str]) -> None:
    """Raises UsageError where day, key and bounds don't fit the columns."""
    if day is not None and (day not in columns or columns[day].type not in ("date", "timestamp")):
        raise UsageError(f"day: {day} must be one of the columns, with type date or timestamp")
    _check_names([*columns, *[DAY] * (day is not None and DAY not in columns)])
    if DAY in columns and (day != DAY or columns[DAY].type != "date"):
        raise UsageError(
            "columns: the name day is kept for the date a row belongs to; use {from: day} under another name"
        )
    for name in key:
        if name not in columns:
            raise UsageError(f"key: {name} is not one of the columns {', '.join(columns)}")
    for name, column in columns.items():
        if column.type not in ("integer", "number") and (column.minimum, column.maximum) != (None, None):
            raise UsageError(f"columns: {name}: minimum and maximum need type integer or number, not {column.type}")


def _check_names(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in sorted(names, reverse=True):
        lower = name.lower()
        if lower.startswith(RESERVED):
            raise UsageError(f"columns: {name} begins with {RESERVED}, which is kept for our own; rename it")
        # DuckDB and many a reader of the table take them for one.
        if lower in seen:
            raise UsageError(f"columns: {seen[lower]} and {name} differ only in case; rename one")
        seen[lower] = name


def raw_schema(columns: Mapping[str, Column], day: str | None) -> pa.Schema:
    """The raw table's schema: the columns, and `day` where the day's column is called otherwise."""
    fields = {name: ARROW_TYPES[column.type] for name, column in columns.items()}
    if day is not None:
        fields = {DAY: pa.date32()} | fields
    return pa.schema(list(fields.items()))
