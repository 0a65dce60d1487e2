"""The append-only table of champion moves, which also decides who of two movers was first."""

from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable, Transaction

from jobs import lake
from jobs.tracking import TrackedRun

NAME = "ledger"
SCHEMA = pa.schema(
    [
        ("pipeline", pa.string()),
        ("who", pa.string()),
        ("why", pa.string()),
        ("from_version", pa.int64()),
        ("to_version", pa.int64()),
        ("evidence", pa.string()),
        ("requested_at", pa.string()),
    ]
)


@dataclass(frozen=True)
class Move:
    """A champion's replacement; `evidence` is JSON."""

    pipeline: str
    who: str
    why: str
    from_version: int | None
    to_version: int
    evidence: str
    requested_at: str


@dataclass(frozen=True)
class Ledger:
    """The ledger as it was when the mover began to look; a move written meanwhile makes ours fail."""

    table: DeltaTable
    fence: lake.Fence
    run: TrackedRun

    @classmethod
    def open(cls, run: TrackedRun) -> "Ledger":
        table = lake.open_table(NAME) or lake.create_table(NAME, SCHEMA)
        return cls(table, lake.Fence.of(run.inputs.run, NAME), run)

    @property
    def has_own_move(self) -> bool:
        """Whether an older try of this run has written its move."""
        return lake.committed_try(self.table, self.fence) is not None

    @property
    def ends_with_own_move(self) -> bool:
        """Whether the pipeline's last move is this run's; commits have an order, and rows have none."""
        moves = (entry for entry in self.table.history() if entry.get("slipway.pipeline") == self.run.pipeline)
        last = next(moves, None)
        return last is not None and last["slipway.writer"] == self.fence.writer

    def write(self, move: Move) -> int:
        """Raises TryAgainError where another run has moved this champion since the ledger was opened."""
        writer = f"slipway:champion:{move.pipeline}"
        place = (self.table.transaction_version(writer) or 0) + 1
        rows = pa.Table.from_pylist([vars(move)], schema=SCHEMA).to_reader()
        return lake.append(
            self.table,
            rows,
            self.fence,
            lake.run_metadata(self.run.inputs.run, pipeline=move.pipeline),
            [Transaction(writer, place)],
        )

    def own_move(self) -> Move | None:
        """The newest move of this pipeline that this run wrote."""
        who = who_moves(self.run)
        rows = self.table.to_pyarrow_dataset().to_table().to_pylist()
        mine = [row for row in rows if row["pipeline"] == self.run.pipeline and row["who"] == who]
        return Move(**mine[-1]) if mine else None


def champions(pipeline: str) -> set[int]:
    """The versions that have ever been made champion of a pipeline."""
    table = lake.open_table(NAME)
    rows = [] if table is None else table.to_pyarrow_dataset().to_table(columns=["pipeline", "to_version"]).to_pylist()
    return {row["to_version"] for row in rows if row["pipeline"] == pipeline}


def who_moves(run: TrackedRun) -> str:
    return f"{run.inputs.run.dag_id} {run.inputs.run.run_id} {run.inputs.run.task_id}"
