"""Whether the result of an older run may stand for this one; told before anything heavy is imported.

`python -m jobs.unchanged --inputs FILE` only looks: it prints what a result would rest on, and why the job would run.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from jobs import job_file, lake, landed, secret_files

Parts = dict[str, Any]
# MLflow keeps the parts as one tag, and refuses a long one.
LISTED_CHARACTERS = 3000


@dataclass(frozen=True)
class Look:
    """All that a result rests on, why the job runs or need not; on a hit the older run's outputs, and who made them."""

    parts: Parts
    why: str
    outputs: dict[str, Any] | None = None
    reused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tables:
    """A pipeline's tables, each opened once: at the version of `asked`, else at its newest."""

    pipeline: str
    asked: dict[str, int]
    opened: dict[str, DeltaTable | None] = field(default_factory=dict)

    def __getitem__(self, name: str) -> DeltaTable | None:
        if name not in self.opened:
            self.opened[name] = lake.open_table(f"{self.pipeline}/{name}", self.asked.get(name))
        return self.opened[name]

    def told(self, name: str, what: Callable[[DeltaTable], Any]) -> Any:
        """Something of a table; None where there is no such table."""
        table = self[name]
        return None if table is None else what(table)


def look(inputs: dict[str, Any]) -> Look:
    """Complete the caller's parts, and compare them with those of the older run that the caller found."""
    parameters, given = inputs.get("parameters") or {}, inputs["fingerprint"]
    rests_on = job_file.read(inputs["job"]).get("reuse")
    if not rests_on and rests_on != {}:
        return Look(given["parts"], "its job.yaml has no reuse: this job always runs")
    version = parameters.get("data_version")
    tables = Tables(inputs["pipeline"], {} if version is None else {"raw": version})
    parts = completed(given["parts"], rests_on, tables, parameters)
    past = given.get("past")
    if why := why_run(inputs, parts, past, tables):
        return Look(parts, why)
    return Look(parts, why_not(parts, past), past["outputs"], past["reused"])


def completed(parts: Parts, rests_on: dict[str, Any], tables: Tables, parameters: dict[str, Any]) -> Parts:
    """The parts with what only the job can look up."""
    whole = dict(parts)
    if names := rests_on.get("tables"):
        whole["tables"] = {name: tables.told(name, lambda table: table.version()) for name in names}
        # A table that was removed and made anew counts its versions anew.
        whole["table_ids"] = {name: tables.told(name, identity) for name in names}
    pattern = (parameters.get("source") or {}).get("files")
    if rests_on.get("landing") and pattern:
        whole["landing"] = landing_of(pattern)
    return whole


def identity(table: DeltaTable) -> str:
    return str(table.metadata().id)


def landing_of(pattern: str) -> dict[str, Any]:
    """The files that a source names, each by a hash of its mark; where they are many, one hash for all."""
    there = landed.marks(landed.landing())
    files = {name: short_hash(mark) for name, mark in sorted(there.items()) if landed.matches(name, pattern)}
    text = json.dumps(files)
    told: dict[str, Any] = {"count": len(files), "digest": short_hash(text)}
    return told | {"files": files} if len(text) <= LISTED_CHARACTERS else told


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def why_run(inputs: dict[str, Any], parts: Parts, past: dict[str, Any] | None, tables: Tables) -> str | None:
    """Why no older result may stand for this run; None where one may."""
    if (inputs.get("parameters") or {}).get("force"):
        return "force asks for it"
    if inputs.get("replay"):
        return "it is a replay"
    if past is None:
        return "no run of this image with these parameters has a result that could stand"
    names = sorted(parts.keys() | past["parts"].keys())
    if changed := [name for name in names if parts.get(name) != past["parts"].get(name)]:
        return f"{told(past)} rested on other {' and '.join(changed)}"
    return gone(parts, past["outputs"], tables)


def gone(parts: Parts, outputs: dict[str, Any], tables: Tables) -> str | None:
    """What is no longer there of the tables that a result rests on, or that it made."""
    made = {name: entry.get("version") for name, entry in (outputs.get("tables") or {}).items()}
    there = {name: version for name, version in (made | (parts.get("tables") or {})).items() if version is not None}
    # A store takes its time to list a table's files.
    with ThreadPoolExecutor() as together:
        return next(filter(None, together.map(lambda name: gone_of(name, there[name], tables[name]), there)), None)


def gone_of(name: str, version: int, table: DeltaTable | None) -> str | None:
    if table is None:
        return f"the table {name} is gone"
    if table.version() != version:
        return f"{name}@v{version} is overwritten: its newest version is {table.version()}"
    lost = lake.lost_files(table)
    return f"{len(lost)} of the files of {name}@v{version} are gone" if lost else None


def why_not(parts: Parts, past: dict[str, Any]) -> str:
    """One sentence for people."""
    same = ["image" if str(parts.get("code")).startswith("sha256:") else "code", "parameters"]
    same += ["interval"] * ("interval" in parts) + ["files in landing"] * ("landing" in parts)
    same += [f"{name}@v{version}" for name, version in (parts.get("tables") or {}).items() if version is not None]
    same += [f"{alias} {number}" for alias, number in (parts.get("models") or {}).items() if number is not None]
    return f"unchanged: the same {', '.join(same[:-1])} and {same[-1]} as {told(past)}"


def told(past: dict[str, Any]) -> str:
    return f"run {past['run_id']} of {past['reused']['when']}"


def settled(pipeline: str, parts: Parts, tables: dict[str, dict[str, Any]], model: dict[str, Any] | None) -> Parts:
    """The parts that a run began with, and over them what it moved itself, so that the same run again is no news."""
    laid = dict(parts)
    versions, ids = parts.get("tables") or {}, parts.get("table_ids") or {}
    if moved := {name: tables[name]["version"] for name in versions if name in tables}:
        laid["tables"] = versions | moved
        made = [name for name in moved if ids.get(name) is None]
        laid["table_ids"] = ids | {name: Tables(pipeline, {}).told(name, identity) for name in made}
    if model and model.get("alias") in (parts.get("models") or {}):
        laid["models"] = parts["models"] | {model["alias"]: model["version"]}
    return laid


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.unchanged", description=__doc__)
    parser.add_argument("--inputs", type=Path, required=True)
    options = parser.parse_args(arguments)
    inputs = json.loads(options.inputs.read_bytes())
    secret_files.hand_over(options.inputs, inputs["job"])
    found = look(inputs)
    sys.stdout.write(json.dumps({"parts": found.parts, "why": found.why, "hit": found.outputs is not None}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
