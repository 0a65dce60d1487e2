"""Both databases of the stack, by PostgreSQL's own programs in its own container."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from slipway.stack.compose import Compose

NAMES = ("airflow", "mlflow")
# Its socket; on the network the superuser is not let in.
SUPERUSER = ("--host=/tmp", "--username=postgres")
# Of each database, what people would miss first; a restore is proven by their rows.
COUNTED = {
    "airflow": ("dag_run", "task_instance"),
    "mlflow": ("experiments", "runs", "registered_models", "model_versions"),
}
COPY = re.compile(rb"COPY (?:\w+\.)?(\w+) .*FROM stdin;")


def dump(composed: Compose, name: str, take: Callable[[IO[bytes]], Any]) -> None:
    """Stream a consistent copy of one database, in PostgreSQL's custom format."""
    command = ("exec", "-T", "postgres", "pg_dump", "--format=custom", *SUPERUSER, name)
    composed.stream(f"database {name} can't be read", take, *command)


def restore(composed: Compose, name: str, dumped: Path) -> None:
    """Fill an empty database from a copy, all of it or nothing."""
    command = ("exec", "-T", "postgres", "pg_restore", *SUPERUSER, f"--dbname={name}", "--single-transaction")
    with dumped.open("rb") as stdin:
        composed.run(f"database {name} can't be filled", *command, "--exit-on-error", stdin=stdin)


def rows(composed: Compose, name: str) -> dict[str, int]:
    """How many rows the counted tables of a database hold now."""
    columns = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in COUNTED[name])  # noqa: S608
    command = ("exec", "-T", "postgres", "psql", *SUPERUSER, "--no-align", "--tuples-only", "--field-separator= ")
    said = composed.run(f"database {name} can't be counted", *command, f"--dbname={name}", "--command", columns)
    return {table: int(count) for table, count in (line.split() for line in said.splitlines() if line.strip())}


def rows_dumped(composed: Compose, name: str, dumped: Path) -> dict[str, int]:
    """How many rows of the counted tables a copy holds: read back out of it, so that it is known to be readable."""
    tables = [word for table in COUNTED[name] for word in ("--table", table)]
    found: Counter[str] = Counter()
    command = ("exec", "-T", "postgres", "pg_restore", "--data-only", "--file=-", *tables)
    with dumped.open("rb") as stdin:
        composed.stream(
            f"the copy of {name} can't be read back", lambda out: found.update(copied(out)), *command, stdin=stdin
        )
    return {table: found[table] for table in COUNTED[name]}


def copied(script: IO[bytes]) -> Iterator[str]:
    """The table of each row in a script of COPY blocks."""
    table = ""
    for line in script:
        if begun := COPY.match(line):
            table = begun[1].decode()
        elif line.rstrip(b"\r\n") == b"\\.":
            table = ""
        elif table:
            yield table
