"""Delta tables: opened by name, created with a long history, written by fenced commits."""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from jobs.errors import StaleWriterError, TryAgainError, UsageError

# Whoever only asks for a table's version is spared what these take to import.
if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.identity import RunIdentity

log = logging.getLogger(__name__)
DAY = "day"


@dataclass(frozen=True)
class Fence:
    """Lets a task's tries write in their order only: an id for the writer, and its try number."""

    writer: str
    attempt: int

    @classmethod
    def of(cls, run: "RunIdentity", table: str) -> "Fence":
        # Try numbers of two runs don't compare, so the run is part of the id.
        parts = ("slipway", table, run.dag_id, run.run_id, run.task_id, str(run.map_index))
        return cls(":".join(parts), run.try_number)


@dataclass
class View:
    """The tables as one run sees them; `read` notes at which version it found each, None where there was none.

    A replay is told them, and sees each table as it was at that version; those that it writes, `written`, it sees in
    the folder `scratch` of the lake alone. Names are without the pipeline's. `done_before` is set where an older try
    of the run had written already, so that it found a table as that one left it.
    """

    scratch: str = ""
    written: tuple[str, ...] = ()
    read: dict[str, int | None] = field(default_factory=dict)
    done_before: bool = False

    def address(self, name: str) -> str:
        """Where the table is; in a replay, one that it writes is its own."""
        own = self.scratch and short(name) in self.written
        return "/".join([lake_uri(), *[self.scratch] * bool(own), name])

    def open(self, name: str, version: int | None) -> DeltaTable | None:
        """The table at a version; without one, in a replay that of then, else the newest."""
        known = short(name)
        if not self.scratch:
            found = opened(name, self.address(name), version)
            self.read.setdefault(known, None if found is None else found.version())
            return found
        if known in self.written:
            return opened(name, self.address(name), None)
        wanted = self.read.get(known) if version is None else version
        return None if wanted is None else opened(name, self.address(name), wanted)

    def refuse_real(self, table: DeltaTable) -> None:
        """Raises UsageError where a replay would write to a table that is none of its own."""
        if self.scratch and f"/{self.scratch}/" not in table.table_uri:
            raise UsageError(f"a replay writes to no table but its own, and not to {table.table_uri}")


_VIEW: ContextVar[View | None] = ContextVar("view", default=None)


@contextmanager
def seen(view: View) -> Iterator[View]:
    """Whatever opens or makes a table inside does so by this view."""
    token = _VIEW.set(view)
    try:
        yield view
    finally:
        _VIEW.reset(token)


def current() -> View:
    return _VIEW.get() or View()


def short(name: str) -> str:
    """A table's name without its pipeline's."""
    return name.rpartition("/")[2]


def lake_uri() -> str:
    """Raises UsageError where LAKE_URI is not set."""
    uri = os.environ.get("LAKE_URI", "").rstrip("/")
    if not uri:
        raise UsageError("LAKE_URI is not set: give it a folder or an s3:// address")
    return uri


def storage_options() -> dict[str, str]:
    """What the S3 client needs beyond the AWS_* environment, which it reads itself."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return {"AWS_ALLOW_HTTP": "true"} if endpoint.startswith("http://") else {}


def open_table(name: str, version: int | None = None) -> DeltaTable | None:
    """The table `<LAKE_URI>/<name>`, at a version or at its newest; None where there is none yet."""
    return current().open(name, version)


def opened(name: str, address: str, version: int | None) -> DeltaTable | None:
    try:
        return DeltaTable(address, version=version, storage_options=storage_options())
    except TableNotFoundError:
        return None
    except Exception as error:
        if version is not None and "version" in str(error).lower():
            raise UsageError(
                f"{name} has no version {version}: look at its history, or leave data_version empty"
            ) from error
        raise


def create_table(name: str, schema: "pa.Schema", partition_by: Sequence[str] = ()) -> DeltaTable:
    """An empty table whose history outlives the 30 days of Delta's default; opened where it is there already."""
    days = int(os.environ.get("LAKE_RETENTION_DAYS") or 3650)
    log.info("creating the table %s, history kept for %s days", name, f"{days:,}")
    return DeltaTable.create(
        current().address(name),
        schema=schema,
        mode="ignore",
        partition_by=list(partition_by),
        configuration={
            "delta.logRetentionDuration": f"interval {days} days",
            "delta.deletedFileRetentionDuration": f"interval {days} days",
        },
        storage_options=storage_options(),
    )


def committed_try(table: DeltaTable, fence: Fence) -> int | None:
    """The newest try of this writer whose commit is in the table; None where there is none."""
    found: int | None = table.transaction_version(fence.writer)
    current().done_before |= found is not None
    return found


def replace(
    table: DeltaTable, rows: "pa.RecordBatchReader", fence: Fence, metadata: dict[str, str], days: Iterable[date] | None
) -> int:
    """Put `rows` in the place of the given days, or of everything for None, in one commit; the new version."""
    predicate = None if days is None else _days_predicate(sorted(days))
    return _commit(table, rows, fence, metadata, mode="overwrite", predicate=predicate)


def append(
    table: DeltaTable,
    rows: "pa.RecordBatchReader",
    fence: Fence,
    metadata: dict[str, str],
    also: Sequence[Transaction] = (),
) -> int:
    """Add rows in one commit; `also` are transactions in which other writers may lose against us."""
    return _commit(table, rows, fence, metadata, also, mode="append")


def _days_predicate(days: Sequence[date]) -> str:
    dates = ", ".join(f"CAST('{day}' AS DATE)" for day in days)
    return f"{DAY} IN ({dates})"


def _commit(
    table: DeltaTable,
    rows: "pa.RecordBatchReader",
    fence: Fence,
    metadata: dict[str, str],
    also: Sequence[Transaction] = (),
    **how: Any,
) -> int:
    current().refuse_real(table)
    before = committed_try(table, fence)
    if before is not None and before >= fence.attempt:
        raise StaleWriterError(
            f"try {fence.attempt} of {fence.writer} may not write: try {before} has already; nothing was changed"
        )
    properties = CommitProperties(
        custom_metadata={"slipway.writer": fence.writer, "slipway.try": str(fence.attempt), **metadata},
        app_transactions=[Transaction(fence.writer, fence.attempt), *also],
    )
    try:
        write_deltalake(table, rows, commit_properties=properties, **how)
    except CommitFailedError as error:
        raise TryAgainError(
            f"somebody else wrote to {table.table_uri} at the same time: run this task again"
        ) from error
    version = table.version()
    log.info("committed version %s of %s", version, table.table_uri.rstrip("/"))
    return version


def last_commit(table: DeltaTable) -> dict[str, Any]:
    """The commit information of the version that is open."""
    return table.history(1)[0]


def lost_files(table: DeltaTable) -> list[str]:
    """The files of the version that is open which its storage no longer holds."""
    # deltalake lists a whole folder, which for a bucket is one request and for a disk the slow way.
    if "://" not in lake_uri() and all(map(os.path.exists, table.file_uris())):
        return []
    lost: list[str] = table.repair(dry_run=True)["files_removed"]
    return lost


def run_metadata(run: "RunIdentity", **more: object) -> dict[str, str]:
    """What a commit says about who made it."""
    identity = {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": run.task_id, "requested_at": run.requested_at}
    return {
        f"slipway.{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in (identity | more).items()
    }
