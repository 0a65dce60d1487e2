"""The pipelines of this deployment: one YAML file each, checked against the schema before any DAG is made of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from croniter import croniter

from slipway import contracts, pipeline_schema, settings, yaml_lines
from slipway.contracts import Contract
from slipway.errors import PipelineError

# Names DAGs, tables and models, so it must be at home in all of them.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
# Folders of the lake that belong to no pipeline.
RESERVED = ("landing", "ledger", "replays")
ASSETS = ("raw", "champion")
CALENDAR = ("year", "month", "weekday", "day_of_year")


@dataclass(frozen=True)
class Pipeline:
    """One ML use case: its name is the name of its file, its keys are those of the YAML."""

    name: str
    path: Path
    keys: dict[str, Any]

    def parameters(self, contract: Contract) -> dict[str, Any]:
        """The part of the YAML that one job is given."""
        return {name: self.keys[name] for name in contract.pipeline_keys if name in self.keys}


@dataclass(frozen=True)
class BrokenPipeline:
    """A YAML file that can't be used, and why."""

    name: str
    path: Path
    error: PipelineError


def load_all(deployed: settings.Settings) -> list[Pipeline | BrokenPipeline]:
    """Every pipeline of every folder; neither a broken file nor a name taken twice takes another away."""
    found: dict[str, Pipeline | BrokenPipeline] = {}
    for path in (path for folder in deployed.pipelines for path in sorted(folder.glob("*.yaml"))):
        one = load_or_broken(path, deployed) if path.stem not in found else taken(path, found)
        found[one.name] = one
    return list(found.values())


def taken(path: Path, found: dict[str, Pipeline | BrokenPipeline]) -> BrokenPipeline:
    """A file whose name is an earlier folder's, under a name that is free, so that it can say so."""
    first = found[path.stem].path
    name = next(free for number in count(2) if (free := f"{path.stem}-{number}") not in found)
    error = PipelineError(f"{path}:1: there is a pipeline {path.stem!r} already, in {first}: rename this file")
    return BrokenPipeline(name, path, error)


def load_or_broken(path: Path, deployed: settings.Settings) -> Pipeline | BrokenPipeline:
    try:
        if not NAME.fullmatch(path.stem):
            raise PipelineError(f"{path}:1: the file's name names the pipeline: use letters, digits, _ and - alone")
        if path.stem in RESERVED:
            raise PipelineError(f"{path}:1: the lake keeps the name {path.stem!r} for itself: rename the file")
        return load(path, deployed)
    except PipelineError as error:
        return BrokenPipeline(path.stem, path, error)


def load(path: Path, deployed: settings.Settings) -> Pipeline:
    """Read and check one pipeline.

    Raises PipelineError with file, line and the key that was meant.
    """
    keys, tree = yaml_lines.load(path)
    jobs = contracts.load_all(deployed.jobs)
    yaml_lines.check(path, tree, keys, pipeline_schema.build(jobs))
    check_columns(path, tree, keys)
    check_schedules(path, tree, keys)
    return Pipeline(path.stem, path, keys)


def named(name: str, deployed: settings.Settings) -> Pipeline:
    """The pipeline of that name.

    Raises PipelineError when its YAML is broken or there is none.
    """
    found = {pipeline.name: pipeline for pipeline in load_all(deployed)}
    pipeline = found.get(name)
    if pipeline is None:
        folders = ", ".join(map(str, deployed.pipelines))
        raise PipelineError(f"no pipeline {name!r} in {folders}: {yaml_lines.nearest(name, found, 'pipelines')}")
    if isinstance(pipeline, BrokenPipeline):
        raise pipeline.error
    return pipeline


def check_columns(path: Path, tree: yaml.Node, keys: dict[str, Any]) -> None:
    """Refuse the name of a column that `columns` does not have."""
    columns = keys["columns"]
    for steps, name in column_names(keys):
        if name not in columns and not (steps[0] == "baselines" and name in CALENDAR):
            line, where = yaml_lines.line_of(tree, steps), ".".join(map(str, steps))
            meant = yaml_lines.nearest(name, columns, "columns")
            raise PipelineError(f"{path}:{line}: {where}: no column {name!r}: {meant}")


def column_names(keys: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    """Each place outside `columns` that names a column, with the name."""
    for key in ("day", "target"):
        if keys.get(key):
            yield [key], keys[key]
    for key in ("key", "features"):
        for position, name in enumerate(keys.get(key, [])):
            yield [key, position], name
    for position, baseline in enumerate(keys.get("baselines", [])):
        for place, name in enumerate(baseline.get("mean_by") or []):
            yield ["baselines", position, "mean_by", place], name


def check_schedules(path: Path, tree: yaml.Node, keys: dict[str, Any]) -> None:
    """Refuse a schedule that is neither made of assets nor a cron expression."""
    for kind, words in keys.get("schedules", {}).items():
        if words is None or assets_of(words) or croniter.is_valid(words):
            continue
        line = yaml_lines.line_of(tree, ["schedules", kind])
        raise PipelineError(
            f"{path}:{line}: schedules.{kind}: {words!r} is neither a cron expression (`15 2 * * *`) nor made of"
            f" {' and '.join(ASSETS)} (`raw or champion`): correct it, or write null for by hand only"
        )


def assets_of(words: str) -> list[str]:
    """The assets that a schedule names (`raw or champion`); none where it is something else."""
    names = re.split(r"\s+or\s+", words.strip())
    return names if set(names) <= set(ASSETS) else []


def main() -> int:
    """Name each broken pipeline of this deployment; 0 when there is none."""
    broken = [pipeline for pipeline in load_all(settings.read()) if isinstance(pipeline, BrokenPipeline)]
    for pipeline in broken:
        print(pipeline.error)
    return 64 if broken else 0
