"""Rows on their way: read as text, typed and checked in DuckDB, kept on scratch until they are committed."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from jobs.errors import SourceFileError
from jobs.ingest import sql
from jobs.ingest.csv_file import CheckedFile
from jobs.ingest.parameters import Parameters
from jobs.ingest.rules import RESERVED, literal, raw_schema

BATCH_ROWS = 50_000
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": "2",
    # An extension would be a download at run time.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class Staging:
    """Holds typed rows and their faults on disk, in bounded memory."""

    def __init__(self, parameters: Parameters, window: tuple[date | None, date | None]) -> None:
        self.schema = raw_schema(parameters.columns, parameters.day)
        self._parameters = parameters
        self._window = window
        self._folder = tempfile.TemporaryDirectory(dir=os.environ.get("SLIPWAY_SCRATCH"), prefix="ingest-")
        self.scratch = Path(self._folder.name)
        settings = {**_SETTINGS, "temp_directory": str(self.scratch)}
        self._db = duckdb.connect(str(self.scratch / "staging.db"), config=settings)
        self._db.execute(sql.create_staged(self.schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def add_file(self, file: CheckedFile) -> None:
        """Stage a CSV file; rows with too many or too few fields are kept as refused."""
        fields = sql.csv_fields(file.headers)
        # DuckDB takes a path for a glob, so `a[1].csv` would name another file: it is given a link of our own naming.
        link = self.scratch / ("source.csv.gz" if file.path.suffix == ".gz" else "source.csv")
        link.unlink(missing_ok=True)
        link.symlink_to(file.path.resolve())
        try:
            self._insert(literal(file.name), sql.read_csv(link, fields), fields)
        except duckdb.InvalidInputException as error:
            # Only its first line: the others quote rows.
            says = str(error).splitlines()[0]
            raise SourceFileError(
                f"{file.name}: not read to its end: {says}; are its line ends all of one kind?"
            ) from None
        for line, kind in self._db.execute(sql.FATAL_REJECTS).fetchall():
            what = "a quote that is opened and not closed" if kind == "UNQUOTED VALUE" else kind.lower()
            raise SourceFileError(f"{file.name}, line {line}: {what}; mend the file and put it there again")
        self._db.execute(sql.keep_rejects(file.name, file.blank_lines))

    def add_texts(self, texts: pa.Table) -> None:
        """Stage generated rows: columns of text, and `slipway_file` and `slipway_n` that say where each row stands."""
        self._db.register("generated", texts)
        fields = {name: name for name in texts.column_names if not name.startswith(RESERVED)}
        self._insert("slipway_file", "generated", fields)
        self._db.unregister("generated")

    def _insert(self, file: str, source: str, fields: Mapping[str, str]) -> None:
        self._db.execute(sql.insert(self._parameters, self.schema, file, source, fields, self._window))

    def refuse_duplicates(self) -> None:
        """Mark all but the first row of each key."""
        if self._parameters.key:
            self._db.execute(sql.refuse_duplicates(self._parameters.key))

    def counts(self) -> tuple[int, int]:
        """Rows that are sound, and rows that are refused."""
        found = self._db.execute(
            "SELECT count(*) - count(slipway_reason), count(slipway_reason) FROM staged"
        ).fetchall()
        good, bad = found[0]
        return good, bad

    def refused(self, known: pa.RecordBatchReader | None) -> Iterator[pa.RecordBatch]:
        """Refused rows as file, line, reason, raw and id, without those whose id is in `known`.

        A record with line breaks in quotes counts as one line.
        """
        self._db.execute("CREATE OR REPLACE TABLE known (id VARCHAR)")
        if known is not None:
            # DuckDB joins what does not fit into memory on disk.
            self._db.register("given", known)
            self._db.execute("INSERT INTO known SELECT id FROM given")
            self._db.unregister("given")
        return iter(self._stream(sql.UNKNOWN))

    def rows(self, days: Sequence[date] | None = None) -> pa.RecordBatchReader:
        """Sound rows by day, of the given days only unless None."""
        found = self._stream(sql.select_rows(self.schema, days))
        return pa.RecordBatchReader.from_batches(self.schema, (batch.cast(self.schema) for batch in found))

    def _stream(self, query: str) -> pa.RecordBatchReader:
        # A cursor, because a connection has one open result at a time and others are asked meanwhile.
        return self._db.cursor().sql(query).to_arrow_reader(BATCH_ROWS)
