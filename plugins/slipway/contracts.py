"""What each job promises: its image, parameters, environment, secrets and limits, read from its job.yaml."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import ContractError

Schema = dict[str, Any]

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
# These change which code a program loads, so no job may take them from a Variable.
LOADER_NAMES = re.compile(r"LD_.*|PYTHON.*|PATH")


@dataclass(frozen=True)
class Limits:
    """The most that one container may take: bytes of memory, CPU cores, seconds until it is stopped."""

    memory_bytes: int
    cpus: float
    timeout_seconds: int


@dataclass(frozen=True)
class Contract:
    """One job.yaml; `parameters` is the JSON Schema of the job's own typed model."""

    job: str
    description: str
    image: str
    environment: tuple[str, ...]
    secrets: tuple[str, ...]
    limits: Limits
    parameters: Schema

    @property
    def form(self) -> dict[str, Schema]:
        """The parameters that the trigger form asks for, by name."""
        return {name: schema for name, schema in self.parameters["properties"].items() if schema.get("x-form")}

    @property
    def pipeline_keys(self) -> dict[str, Schema]:
        """The parameters that the pipeline's YAML gives, by name."""
        return {name: schema for name, schema in self.parameters["properties"].items() if not schema.get("x-form")}


@cache
def load_all(folder: Path) -> dict[str, Contract]:
    """Every contract of a folder of jobs, by job.

    Raises ContractError when one can't be used.
    """
    return {path.parent.name: load(path) for path in sorted(folder.glob("*/job.yaml"))}


def of(job: str, folder: Path) -> Contract:
    """The contract of one job.

    Raises ContractError when there is no such job.
    """
    contracts = load_all(folder)
    if job not in contracts:
        raise ContractError(f"no job {job!r}: {folder}/{job}/job.yaml is missing; there are {', '.join(contracts)}")
    return contracts[job]


def load(path: Path) -> Contract:
    """Read one job.yaml."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        contract = Contract(
            job=given["job"],
            description=given["description"],
            image=given["image"],
            environment=tuple(given.get("environment", [])),
            secrets=tuple(given.get("secrets", [])),
            limits=limits(given["limits"]),
            parameters=given["parameters"],
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ContractError(
            f"{path}: not a usable contract ({error}): compare it with another job's job.yaml"
        ) from error
    if refused := [name for name in contract.environment if LOADER_NAMES.fullmatch(name)]:
        raise ContractError(f"{path}: environment may not name {', '.join(refused)}: it changes what the job loads")
    return contract


def limits(given: dict[str, Any], default: Limits | None = None) -> Limits:
    """Limits from a `limits:` mapping, each absent one taken from the default."""
    if default is None:
        return Limits(bytes_of(given["memory"]), float(given["cpus"]), int(given["timeout_seconds"]))
    return Limits(
        bytes_of(given.get("memory", default.memory_bytes)),
        float(given.get("cpus", default.cpus)),
        int(given.get("timeout_seconds", default.timeout_seconds)),
    )


def bytes_of(size: str | int) -> int:
    """Bytes of a size written as docker writes it: `512m`, `2g`, or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", str(size).lower())
    if not match:
        raise ValueError(f"memory {size!r} is not a size such as 512m or 2g")
    return int(float(match[1]) * UNITS[match[2]])
