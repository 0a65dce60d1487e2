"""The trigger form of a DAG: the fields that its jobs declare, and limits for this one run."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow.sdk import Param

from slipway import pipeline_schema
from slipway.contracts import Contract, Limits, Schema
from slipway.pipelines import Pipeline

SECTION = "Limits of this run"
EMPTY = "Empty: as the pipeline's YAML and job.yaml say. No task gets more than its machine has."
LIMITS: dict[str, Schema] = {
    "memory_mib": {"type": "integer", "minimum": 64, "maximum": 2**20, "title": "Memory in MiB"},
    "cpus": {"type": "number", "minimum": 0.1, "maximum": 1024, "title": "CPU cores"},
    "timeout_seconds": {"type": "integer", "minimum": 10, "maximum": 31_536_000, "title": "Timeout in seconds"},
}
# What the form draws itself; the rest of a field's schema are rules that Airflow checks before it makes a run.
DRAWN = ("default", "title", "description", "type", "anyOf", "x-form", "x-choices")


def fields(pipeline: Pipeline, jobs: Iterable[Contract]) -> dict[str, Param]:
    """The fields of one DAG, by name; jobs of one DAG share those that they declare alike.

    Raises ContractError when two jobs declare one field in two ways.
    """
    declared: dict[str, Schema] = {}
    for contract in jobs:
        pipeline_schema.merge(declared, contract.form, contract.job)
    return {name: param(schema, pipeline) for name, schema in declared.items()} | {
        name: Param(None, EMPTY, section=SECTION, **schema | {"type": ["null", schema["type"]]})
        for name, schema in LIMITS.items()
        if declared
    }


def param(schema: Schema, pipeline: Pipeline) -> Param:
    """One field, from the property of a job's JSON Schema."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    kinds = [option["type"] for option in options]
    nullable = len(options) < len(schema.get("anyOf", [schema]))
    rules = {key: value for option in [schema, *options] for key, value in option.items() if key not in DRAWN}
    if key := schema.get("x-choices"):
        names = [entry["name"] for entry in pipeline.keys.get(key, [])]
        rules |= {"items": {"type": "string", "enum": names}, "examples": names}
    return Param(
        schema["default"],
        title=schema.get("title"),
        description=schema.get("description"),
        type=["null", *kinds] if nullable else kinds[0],
        **rules,
    )


def limits(asked: Mapping[str, Any], given: Limits) -> Limits:
    """The limits of one run: what the form asks for, else those given."""
    memory = asked.get("memory_mib")
    return replace(
        given,
        memory_bytes=memory * 2**20 if memory else given.memory_bytes,
        cpus=asked.get("cpus") or given.cpus,
        timeout_seconds=asked.get("timeout_seconds") or given.timeout_seconds,
    )
