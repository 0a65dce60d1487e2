"""The SQL that staging runs. Names go in through `quoted`, texts through `literal`: none can end its quotes."""
# ruff: noqa: S608 - identifiers and table functions can't be bound as parameters

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from jobs.ingest.csv_file import LONGEST_LINE_BYTES
from jobs.ingest.parameters import Parameters
from jobs.ingest.rules import literal, quoted, reasons_sql, value_sql
from jobs.lake import DAY

_TYPES = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.string(): "VARCHAR",
}
FATAL_REJECTS = """
    SELECT line, error_type FROM rejects
    WHERE error_type NOT IN ('TOO MANY COLUMNS', 'MISSING COLUMNS') ORDER BY line LIMIT 1
"""
REFUSED = """
    SELECT *, sha256(concat(file, chr(0), line, chr(0), reason, chr(0), coalesce(raw, ''))) AS id FROM (
        SELECT slipway_file AS file,
            CASE WHEN slipway_n < 0 THEN -slipway_n ELSE slipway_n + coalesce(gaps, 0) END AS line,
            slipway_reason AS reason, slipway_raw AS raw
        FROM staged ASOF LEFT JOIN gaps ON slipway_file = gaps.file AND slipway_n > gaps.before
        WHERE slipway_reason IS NOT NULL
    )
"""
UNKNOWN = f"SELECT refused.* FROM ({REFUSED}) refused ANTI JOIN known ON refused.id = known.id ORDER BY file, line"


def create_staged(schema: pa.Schema) -> str:
    """`slipway_n` counts a file's rows as they leave the reader; for a rejected line it is minus the line's number."""
    columns = ", ".join(f"{quoted(field.name)} {_TYPES.get(field.type, 'TIMESTAMP')}" for field in schema)
    return f"""
        CREATE TABLE staged (
            slipway_file VARCHAR, slipway_n BIGINT, slipway_raw VARCHAR, slipway_reason VARCHAR, {columns}
        );
        CREATE TABLE gaps (file VARCHAR, before BIGINT, gaps BIGINT)
    """


def csv_fields(headers: Sequence[str]) -> dict[str, str]:
    """A name for each header that no other header, and no name of ours, can be."""
    return {header: f"slipway_field_{place}" for place, header in enumerate(headers)}


def read_csv(path: Path, fields: Mapping[str, str]) -> str:
    """Every field as text; rows with too many or too few of them land in the table `rejects`."""
    columns = ", ".join(f"{literal(field)}: 'VARCHAR'" for field in fields.values())
    return f"""(
        SELECT *, row_number() OVER () + 1 AS slipway_n FROM read_csv(
            {literal(str(path))}, columns={{{columns}}}, auto_detect=false, header=true, delim=',', quote='"',
            escape='"', strict_mode=true, nullstr='', max_line_size={LONGEST_LINE_BYTES},
            store_rejects=true, rejects_table='rejects', rejects_scan='scans'
        )
    )"""


def insert(
    parameters: Parameters,
    schema: pa.Schema,
    file: str,
    source: str,
    fields: Mapping[str, str],
    window: tuple[date | None, date | None],
) -> str:
    """Type and judge the rows of `source`, three layers deep: texts, then values, then what is wrong with them.

    `fields` maps a header to the column of `source` that holds its texts.
    """
    columns = parameters.columns
    texts = {name: quoted("text " + name) for name in columns}
    values = {name: quoted("value " + name) for name in columns}
    renamed = ", ".join(f"{quoted(fields[column.header or name])} AS {texts[name]}" for name, column in columns.items())
    typed = ", ".join(f"{value_sql(column, texts[name])} AS {values[name]}" for name, column in columns.items())
    line = ", ',', ".join(f"coalesce({quoted(name)}, '')" for name in fields.values())
    return f"""
        INSERT INTO staged SELECT * FROM (
            SELECT slipway_file, slipway_n, slipway_raw, {_reason(parameters, texts, values)},
                {_chosen(parameters, schema, values)}
            FROM (SELECT *, {typed} FROM (
                SELECT {file} AS slipway_file, slipway_n, concat({line}) AS slipway_raw, {renamed} FROM {source}
            ))
        ) WHERE {_inside(window)}
    """


def _reason(parameters: Parameters, texts: Mapping[str, str], values: Mapping[str, str]) -> str:
    required = {parameters.day, *parameters.key}
    found = [
        reason
        for name, column in parameters.columns.items()
        for reason in reasons_sql(name, column, texts[name], values[name], name in required)
    ]
    return f"nullif(concat_ws('; ', {', '.join(found)}), '')"


def _chosen(parameters: Parameters, schema: pa.Schema, values: Mapping[str, str]) -> str:
    chosen = dict(values)
    if parameters.day is not None:
        chosen = {DAY: f"CAST({values[parameters.day]} AS DATE)"} | chosen
    return ", ".join(f"{chosen[field.name]} AS {quoted(field.name)}" for field in schema)


def _inside(window: tuple[date | None, date | None]) -> str:
    first, last = window
    limits = [f"{DAY} >= DATE '{first}'"] * bool(first) + [f"{DAY} <= DATE '{last}'"] * bool(last)
    # A row whose day can't be read belongs to no window; it is refused in each.
    return f"({DAY} IS NULL OR ({' AND '.join(limits)}))" if limits else "true"


def keep_rejects(file: str, blank_lines: Sequence[int]) -> str:
    """Move what the reader rejected into `staged`, and note which lines the count of rows has skipped."""
    name = literal(file)
    blank = ", ".join(f"({number})" for number in blank_lines) or "(NULL)"
    return f"""
        INSERT INTO staged BY NAME
        SELECT {name} AS slipway_file, -line::BIGINT AS slipway_n,
            trim(any_value(csv_line), chr(13) || chr(10)) AS slipway_raw,
            CASE any_value(error_type) WHEN 'MISSING COLUMNS' THEN 'too few' ELSE 'too many' END || ' fields'
                AS slipway_reason
        FROM rejects GROUP BY line;
        INSERT INTO gaps SELECT {name}, line::BIGINT - 1 - place AS before, max(place + 1) FROM (
            SELECT line, row_number() OVER (ORDER BY line) - 1 AS place FROM (
                SELECT line FROM rejects UNION SELECT number FROM (VALUES {blank}) AS blank(number)
            ) WHERE line IS NOT NULL
        ) GROUP BY before;
        DROP TABLE rejects; DROP TABLE scans
    """


def refuse_duplicates(key: Sequence[str]) -> str:
    """All but the first row of each key."""
    return f"""
        UPDATE staged SET slipway_reason = {literal("duplicate of the key " + ", ".join(key))}
        WHERE (slipway_file, slipway_n) IN (
            SELECT (slipway_file, slipway_n) FROM (
                SELECT slipway_file, slipway_n, row_number() OVER (
                    PARTITION BY {", ".join(map(quoted, key))} ORDER BY slipway_file, slipway_n
                ) AS slipway_place FROM staged WHERE slipway_reason IS NULL
            ) WHERE slipway_place > 1
        )
    """


def select_rows(schema: pa.Schema, days: Sequence[date] | None) -> str:
    dates = ", ".join(f"DATE '{day}'" for day in days or ())
    chosen = "" if days is None else f"AND {DAY} IN ({dates})"
    order = f"ORDER BY {DAY}" if DAY in schema.names else ""
    return f"SELECT {', '.join(map(quoted, schema.names))} FROM staged WHERE slipway_reason IS NULL {chosen} {order}"
