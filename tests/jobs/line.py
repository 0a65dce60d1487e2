"""One pipeline in a lake of its own, and rows for it."""

import copy
import json
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from jobs import contract, lake

# What a caller tells of the image, and of the run whose result may stand.
CODE = "sha256:1f"
OLDER = {"run_id": "older", "when": "2026-11-26 03:45 UTC"}
COLUMNS: dict[str, Any] = {
    "day": "date",
    "hour": {"type": "integer", "minimum": 0, "maximum": 23},
    "warm": "number",
    "demand": {"type": "number", "minimum": 0, "nullable": True},
}
PIPELINE: dict[str, Any] = {
    "source": {"files": "*.csv"},
    "columns": COLUMNS,
    "day": "day",
    "key": ["day", "hour"],
    "task": "regression",
    "target": "demand",
    "features": ["hour", "warm"],
    "candidates": [{"name": "tree", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 6}}],
    "metric": "mean_absolute_error",
}


@dataclass
class Line:
    """One pipeline in a lake of its own, whose jobs are run one after the other."""

    folder: Path
    yaml: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(PIPELINE))
    name: str = field(default_factory=lambda: f"p_{uuid.uuid4().hex[:12]}")
    outputs: dict[str, Any] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        return self.folder / "lake" / "landing"

    def inputs(self, job: str, run: str, attempt: int, more: dict[str, Any]) -> dict[str, Any]:
        known = import_module(f"jobs.{job}.parameters").Parameters.model_fields
        identity = {"dag_id": f"{self.name}.{job}", "run_id": run, "task_id": job, "try_number": attempt}
        return {
            "slipway": 1,
            "job": job,
            "pipeline": self.name,
            "parameters": {name: value for name, value in self.yaml.items() if name in known} | more,
            "run": identity | {"requested_at": "2026-11-21T03:45:00+00:00"},
            "image": {"name": "model", "version": "0.1.0", "revision": "abc123", "lock": "sha256:1"} | self.image,
        }

    def run(self, job: str, run: str = "first", attempt: int = 1, **more: Any) -> int:
        """Run the job through its contract; the exit code."""
        path = self.folder / "in" / "inputs.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.inputs(job, run, attempt, more), default=str))
        code = contract.main(job, ["--inputs", str(path)])
        self.outputs = json.loads((self.folder / "out" / "outputs.json").read_text())
        assert self.outputs["closed"] is True
        return code

    def land(self, text: str | bytes, name: str = "rows.csv") -> Path:
        self.landing.mkdir(parents=True, exist_ok=True)
        path = self.landing / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = lake.open_table(f"{self.name}/{table}" if table != "ledger" else table)
        return [] if found is None else found.to_pyarrow_dataset().to_table().to_pylist()

    @property
    def message(self) -> str:
        return str(self.outputs["error"]["message"])


def demand_rows(days: int = 20, level: float = 10.0, first: date = date(2024, 1, 1)) -> list[list[Any]]:
    """Learnable rows: demand follows the hour and the warmth."""
    return [
        [first + timedelta(days=day), hour, (day * 7 + hour) % 13, level + 3 * hour + (day * 7 + hour) % 13]
        for day in range(days)
        for hour in range(24)
    ]


def as_csv(rows: list[list[Any]], header: tuple[str, ...] = ("day", "hour", "warm", "demand")) -> str:
    lines = [",".join(header), *(",".join("" if value is None else str(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"
