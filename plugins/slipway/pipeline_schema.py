"""The JSON Schema of a pipeline's YAML: keys for Airflow from here, keys for jobs from their contracts.

`python -m slipway.pipeline_schema --write` renews `dags/pipelines/schema.json`, which editors complete from.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from slipway import contracts, settings
from slipway.contracts import Contract, Schema
from slipway.errors import ContractError

TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 100}
SCHEDULES = {
    "ingest": "when ingest runs: a cron expression, or null for by hand only",
    "train": "when train runs: `raw` (new data), a cron expression, or null",
    "predict": "when predict runs: `raw or champion`, one of the two, a cron expression, or null",
}
LIMITS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "memory": {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[kmg]?$", "description": "such as 512m or 2g"},
        "cpus": {"type": "number", "exclusiveMinimum": 0, "maximum": 1024, "description": "CPU cores"},
        "timeout_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": 31_536_000,
            "description": "after which the job is stopped",
        },
    },
}


def airflow_keys(jobs: list[str]) -> dict[str, Schema]:
    """The keys that DAGs are made from."""
    schedules = {kind: {"type": ["string", "null"], "description": text} for kind, text in SCHEDULES.items()}
    return {
        "version": {"const": 1, "description": "version of this schema"},
        "description": {**TEXT, "maxLength": 1000, "description": "one sentence for the DAG list"},
        "owner": {**TEXT, "description": "who looks after the pipeline"},
        "tags": {"type": "array", "items": TEXT, "description": "tags of its DAGs, beside its name"},
        "pool": {**TEXT, "description": "Airflow pool of its tasks"},
        "queue": {**TEXT, "description": "Airflow queue of its tasks"},
        "retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": 100,
            "description": "tries after the first, for faults that can heal",
        },
        "docker_conn_id": {**TEXT, "description": "Airflow connection with the engine and the registry's login"},
        "env_variable": {**TEXT, "description": "Airflow Variable with the jobs' environment; default slipway_env"},
        "secrets_variable": {**TEXT, "description": "Airflow Variable with the jobs' secrets; default slipway_secrets"},
        "schedules": closed("DAG kind to schedule", schedules),
        "limits": closed("limits per job", dict.fromkeys(jobs, LIMITS)),
    }


def closed(description: str, properties: Mapping[str, Schema]) -> Schema:
    """A mapping that refuses keys it does not know."""
    return {
        "type": "object",
        "additionalProperties": False,
        "description": description,
        "properties": dict(properties),
    }


def build(jobs: Mapping[str, Contract]) -> Schema:
    """The schema over all jobs.

    Raises ContractError when two jobs define one name in two ways.
    """
    properties = airflow_keys(sorted(jobs))
    definitions: dict[str, Schema] = {}
    required = {"version"}
    for contract in jobs.values():
        merge(properties, contract.pipeline_keys, contract.job)
        merge(definitions, contract.parameters.get("$defs", {}), contract.job)
        required |= set(contract.parameters.get("required", [])) & set(contract.pipeline_keys)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Slipway pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": sorted(required),
        "properties": properties,
        "$defs": definitions,
    }


def merge(into: dict[str, Schema], names: Mapping[str, Schema], job: str) -> None:
    for name, schema in names.items():
        if into.setdefault(name, schema) != schema:
            raise ContractError(f"job {job} defines {name!r} otherwise than another job: share the type in jobs/")


def text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema, or say whether the one on disk is today's."""
    deployed = settings.read()
    path = settings.ROOT / "dags" / "pipelines" / "schema.json"
    today = text(build(contracts.load_all(deployed.jobs)))
    if "--write" in arguments:
        path.write_text(today, encoding="utf-8")
        return 0
    if is_today(path, today):
        return 0
    print(f"{path} is not what jobs/*/job.yaml say: run `make schemas`", file=sys.stderr)
    return 1


def is_today(path: Path, today: str) -> bool:
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == json.loads(today)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
