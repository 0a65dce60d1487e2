"""Bring a source into the lake: check it, keep what is wrong in quarantine, replace the days that changed."""

import logging
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from jobs import content, lake
from jobs.errors import (
    EmptyWindowError,
    MissingColumnError,
    SchemaChangedError,
    TooManyBadRowsError,
    UsageError,
)
from jobs.identity import RunIdentity
from jobs.ingest import bike_demand, breast_cancer, csv_file, delivery, landing
from jobs.ingest.parameters import Parameters
from jobs.ingest.quarantine import quarantine
from jobs.ingest.rules import check_columns
from jobs.ingest.staging import Staging
from jobs.outcome import Outcome
from jobs.pipeline import BikeDemand, Files
from jobs.tracking import TrackedRun

log = logging.getLogger(__name__)
Window = tuple[date | None, date | None]


def ingest(parameters: Parameters, run: TrackedRun) -> Outcome:
    """Replace the raw table's days that differ from the source's; nothing to do where none does."""
    check_columns(parameters.columns, parameters.day, parameters.key)
    window = window_of(parameters, run.inputs.run)
    with Staging(parameters, window) as staging:
        files = stage(parameters, window, staging, run)
        staging.refuse_duplicates()
        good, bad = staging.counts()
        log.info("read %s rows from %s, refused %s", f"{good + bad:,}", ", ".join([*files][:5]), f"{bad:,}")
        taken = delivery.told(run, files) if isinstance(parameters.source, Files) else None
        version = quarantine(staging, run) if bad else None
        _stop_if_useless(parameters, window, good, bad)
        outcome = commit(staging, run, parameters.force)
    outcome.counts |= {"quarantined": bad, "files": len(files)}
    outcome.files = taken
    if version is not None:
        outcome.tables["quarantine"] = {"version": version}
    return outcome


def window_of(parameters: Parameters, run: RunIdentity) -> Window:
    """First and last day to take, both inclusive: the form's, else the interval's where the pipeline says so."""
    if parameters.start or parameters.end or parameters.window == "all":
        if parameters.day is None and (parameters.start or parameters.end):
            raise UsageError("start and end need a pipeline with a day; leave them empty")
        return parameters.start, parameters.end
    if parameters.day is None or not (run.interval_start and run.interval_end):
        raise UsageError("window: interval needs a day column and a run with a data interval; give start and end")
    first, until = (datetime.fromisoformat(text).date() for text in (run.interval_start, run.interval_end))
    # A schedule within the day takes that day; the interval's end itself lies outside.
    return first, max(first, until - timedelta(days=1))


def stage(parameters: Parameters, window: Window, staging: Staging, run: TrackedRun) -> dict[str, str]:
    """Read the whole source into staging; the names of what was read, those of files with a hash of their bytes."""
    source = parameters.source
    if isinstance(source, Files):
        wanted = {name: column.header or name for name, column in parameters.columns.items()}
        files = {}
        for landed in landing.landed_files(source.files, staging.scratch, delivery.then(run)):
            file = csv_file.check(landed, wanted)
            _tell_ignored(file, wanted)
            staging.add_file(file)
            files[file.name] = delivery.sha256(landed.path)
        return files
    if isinstance(source, BikeDemand):
        log.info("bike_demand is generated data: made up, not measured")
        run.tag(generated="true")
        tables = bike_demand.tables(source, bike_demand.days_of(source, *window))
    else:
        tables = iter([breast_cancer.table()])
    name = f"builtin:{source.builtin}"
    for texts in tables:
        check_builtin(name, texts.column_names, parameters)
        staging.add_texts(texts)
    return {name: ""}


def check_builtin(name: str, there: list[str], parameters: Parameters) -> None:
    """Raises MissingColumnError where the pipeline names a column that the built-in source has not."""
    for column, described in parameters.columns.items():
        if (described.header or column) not in there:
            raise MissingColumnError(f"{name} has no column {column}; it has {', '.join(there)}")


def commit(staging: Staging, run: TrackedRun, force: bool) -> Outcome:
    """Replace the days that changed, or with `force` every day, all in one commit."""
    name = f"{run.pipeline}/raw"
    found = content.digests_by_day(staging.rows())
    table = lake.open_table(name) or lake.create_table(
        name, staging.schema, [lake.DAY] * (lake.DAY in staging.schema.names)
    )
    check_schema(table, staging.schema)
    before = existing(table, list(found))
    fence = lake.Fence.of(run.inputs.run, name)
    # What is forced is done once, however many tries the run has.
    every_day = force and lake.committed_try(table, fence) is None
    changed = [day for day, digest in found.items() if every_day or before.get(day) != digest]
    counts = {"rows": sum(digest.rows for digest in found.values())}
    if None not in found:
        counts |= {"days": len(found), "changed_days": len(changed)}
    if changed:
        days = None if None in found else [day for day in changed if day is not None]
        metadata = lake.run_metadata(run.inputs.run, rows=counts["rows"], changed_days=len(changed))
        lake.replace(table, staging.rows(days), fence, metadata, days)
    others = existing(table, list(found), inside=False)
    digest = content.whole([*found.values(), *others.values()]).hexdigest(staging.schema)
    outcome = Outcome(counts=counts, tables={"raw": {"version": table.version(), "content_hash": digest}})
    # Where an older try of this run made the commit, those downstream have yet to hear of it.
    if changed or lake.committed_try(table, fence) is not None:
        return outcome
    return outcome.nothing_to_do(
        f"raw@v{table.version()} has these {counts['rows']:,} rows already: nothing changed in the source"
    )


def check_schema(table: DeltaTable, schema: pa.Schema) -> None:
    """Raises SchemaChangedError where the table was made with other columns."""
    there = table.to_pyarrow_dataset().schema
    if {field.name: field.type for field in there} != {field.name: field.type for field in schema}:
        raise SchemaChangedError(
            f"{table.table_uri} has the columns {_schema_text(there)}; the pipeline now says "
            f"{_schema_text(schema)}: give the changed pipeline a new name, or put the columns back"
        )


def existing(table: DeltaTable, days: list[date | None], inside: bool = True) -> dict[date | None, content.Digest]:
    """What the table holds of these days, or of all others; None among the days stands for all rows."""
    if None in days:
        return content.digests_by_day(table.to_pyarrow_dataset().to_batches()) if inside else {}
    these = pc.field(lake.DAY).isin(pa.array(days, pa.date32()))
    return content.digests_by_day(table.to_pyarrow_dataset().to_batches(filter=these if inside else ~these))


def _schema_text(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _tell_ignored(file: csv_file.CheckedFile, wanted: dict[str, str]) -> None:
    ignored = [header for header in file.headers if header not in wanted.values()]
    if ignored:
        log.info("%s: ignoring the columns %s, which the pipeline does not name", file.name, ", ".join(ignored))


def _stop_if_useless(parameters: Parameters, window: Window, good: int, bad: int) -> None:
    if bad > parameters.max_bad_rows_fraction * (good + bad):
        raise TooManyBadRowsError(
            f"{bad:,} of {good + bad:,} rows are refused, more than max_bad_rows_fraction "
            f"{parameters.max_bad_rows_fraction}: their reasons are in the quarantine table; raw was not touched"
        )
    if not good:
        span = " to ".join(str(day or "…") for day in window)
        raise EmptyWindowError(f"no rows in the source from {span}: has it delivered these days?")
