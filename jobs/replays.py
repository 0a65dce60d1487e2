"""A past run once more: it reads the versions that were read then, and writes into a scratch folder of the lake.

`python -m jobs.replays --inputs FILE` removes the scratch folder that these inputs name.
"""

import argparse
import logging
import shutil
import sys
from pathlib import Path

from deltalake import DeltaTable, write_deltalake

from jobs import lake, secret_files
from jobs.errors import BadDataError, UsageError
from jobs.identity import Inputs, Replay

log = logging.getLogger(__name__)
# What each job writes; a job that is not here has nothing that could be done beside the real one.
WRITES: dict[str, tuple[str, ...]] = {"ingest": ("raw", "quarantine"), "train": (), "predict": ("predictions",)}


def view_of(inputs: Inputs) -> lake.View:
    """How the job sees its tables; raises UsageError for a job that can't be replayed."""
    replay = inputs.replay
    if replay is None:
        return lake.View()
    if inputs.job not in WRITES:
        raise UsageError(f"{inputs.job} can't be replayed: only {', '.join(WRITES)} can")
    return lake.View(replay.lake, WRITES[inputs.job], dict(replay.tables))


def prepare(inputs: Inputs, replay: Replay) -> None:
    """Check that every table is still as it was, and copy those that the job writes to, as it found them."""
    for short, version in replay.tables.items():
        if version is None:
            continue
        name = short if short == "ledger" else f"{inputs.pipeline}/{short}"
        table = as_it_was(name, version)
        if short in WRITES[inputs.job]:
            copy(table, name)


def as_it_was(name: str, version: int) -> DeltaTable:
    """Raises BadDataError where the version can't be read any more."""
    again = "so this run can't be replayed; a vacuum or LAKE_RETENTION_DAYS took its history"
    try:
        table = lake.opened(name, f"{lake.lake_uri()}/{name}", version)
    except UsageError:
        raise BadDataError(f"{name} has no version {version} any more, {again}") from None
    if table is None:
        raise BadDataError(f"the table {name} is gone, so this run can't be replayed: restore it from a backup")
    if lost := table.repair(dry_run=True)["files_removed"]:
        raise BadDataError(f"{len(lost)} of the files of {name}@v{version} are gone, {again}")
    return table


def copy(table: DeltaTable, name: str) -> None:
    """The same rows as a table of the replay's own."""
    dataset = table.to_pyarrow_dataset()
    made = lake.create_table(name, dataset.schema, table.metadata().partition_columns)
    write_deltalake(made, dataset.scanner().to_reader(), mode="append")
    log.info("copied %s@v%s to begin with", name, table.version())


def remove(replay: Replay) -> None:
    """Take the scratch folder away; one that is not there is fine."""
    place = f"{lake.lake_uri()}/{replay.lake}"
    if not place.startswith("s3://"):
        shutil.rmtree(place, ignore_errors=True)
        return
    from deltalake.fs import DeltaStorageHandler  # it imports pyarrow

    DeltaStorageHandler(lake.lake_uri(), lake.storage_options()).delete_dir(replay.lake)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.replays", description=__doc__)
    parser.add_argument("--inputs", type=Path, required=True)
    options = parser.parse_args(arguments)
    inputs = Inputs.model_validate_json(options.inputs.read_bytes())
    if inputs.replay is None:
        raise SystemExit(f"{options.inputs} is of no replay: nothing was removed")
    secret_files.hand_over(options.inputs, inputs.job)
    remove(inputs.replay)
    return 0


if __name__ == "__main__":
    sys.exit(main())
