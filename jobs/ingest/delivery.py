"""The files that an ingest took, each with a hash of its bytes: what a replay must find again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import mlflow

from jobs.tracking import TrackedRun

LIST = "slipway/files.json"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def then(run: TrackedRun) -> dict[str, str] | None:
    """What the run that is replayed took, by name; None where nothing is replayed."""
    replay = run.inputs.replay
    if replay is None:
        return None
    return {str(name): str(digest) for name, digest in mlflow.artifacts.load_dict(f"runs:/{replay.of}/{LIST}").items()}


def told(run: TrackedRun, files: dict[str, str]) -> dict[str, Any]:
    """Number and hash of the files for outputs.json; their list, which may be long, goes to the MLflow run."""
    run.client.log_dict(run.id, files, LIST)
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    told: dict[str, Any] = {"count": len(files), "digest": digest}
    older = then(run)
    return told if older is None else told | {"differ": differing(older, files)}


def differing(older: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    """The files that are no longer as they were, each with what became of it."""
    return {
        name: "changed" if name in files else "gone"
        for name, digest in sorted(older.items())
        if files.get(name) != digest
    }
