"""What each job promises: its image, parameters, environment, secrets and limits, read from its job.yaml."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import ContractError

Schema = dict[str, Any]

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
# These change which code a program loads, so no job may take them from a Variable.
LOADER_NAMES = re.compile(
    r"LD_.*|PYTHON.*|PATH|BASH_.*|BASHOPTS|SHELLOPTS|ENV|IFS|PS4|GCONV_PATH|GLIBC_TUNABLES|MALLOC_.*|LOCPATH|NLSPATH"
    r"|NODE_(OPTIONS|PATH)|PERL.*|RUBY.*|_?JAVA_.*|JDK_JAVA_OPTIONS|CLASSPATH|GIT_.*|OPENSSL_(CONF|MODULES)"
    r"|SSLKEYLOGFILE|DOTNET_STARTUP_HOOKS|SLIPWAY_.*"
)
# A secret's name becomes a file's.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a job.yaml may say, and which hardening it may leave out.
KEYS = frozenset(
    (
        *("job", "description", "image", "environment", "secrets", "limits", "parameters"),
        *("command", "egress", "unhardened", "reuse"),
    )
)
MEASURES = ("user", "capabilities", "no_new_privileges", "read_only", "init")


@dataclass(frozen=True)
class Limits:
    """The most that one container may take: bytes of memory, CPU cores, seconds until it is stopped."""

    memory_bytes: int
    cpus: float
    timeout_seconds: int


@dataclass(frozen=True)
class Reuse:
    """What a job's result depends on beside image, code and parameters, and so whether an older one may stand for it.

    `tables` are tables of the pipeline in the lake, `landing` the files that the pipeline's source names; both are
    looked up by the job itself. `models` are aliases of the pipeline's registered model.
    """

    tables: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    landing: bool = False

    @property
    def needs_the_job(self) -> bool:
        """Whether only something inside the job's container can tell."""
        return bool(self.tables or self.landing)


@dataclass(frozen=True)
class Contract:
    """One job.yaml; `parameters` is the JSON Schema of the job's own typed model.

    `command` is what the container runs, `egress` whether it may reach out, and `unhardened` are the measures that the
    job can't bear, each with its reason.
    """

    job: str
    description: str
    image: str
    environment: tuple[str, ...]
    secrets: tuple[str, ...]
    limits: Limits
    parameters: Schema
    command: tuple[str, ...] = ()
    egress: bool = False
    unhardened: dict[str, str] = field(default_factory=dict)
    reuse: Reuse | None = None

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
            command=command(given),
            egress=bool(given.get("egress", False)),
            unhardened=unhardened(given.get("unhardened") or {}),
            reuse=reuse(given.get("reuse")),
        )
        if unknown := sorted(given.keys() - KEYS):
            raise ValueError(f"unknown key {', '.join(unknown)}; there are {', '.join(sorted(KEYS))}")
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ContractError(
            f"{path}: not a usable contract ({error}): compare it with another job's job.yaml"
        ) from error
    named = (*contract.environment, *contract.secrets)
    if refused := [name for name in named if LOADER_NAMES.fullmatch(name)]:
        raise ContractError(f"{path}: a job may not be given {', '.join(refused)}: it changes what the job loads")
    if odd := [name for name in named if not NAME.fullmatch(name)]:
        raise ContractError(f"{path}: {', '.join(odd)} is no name for a variable: use letters, digits and _")
    return contract


def command(given: dict[str, Any]) -> tuple[str, ...]:
    """What the container runs: the job's own words, or Python's module of that name."""
    words = given.get("command", ["python", "-m", f"jobs.{given['job']}", "--inputs", "/job/in/inputs.json"])
    if not isinstance(words, list) or not words:
        raise ValueError("command is a list of words, and goes to no shell")
    return tuple(map(str, words))


def unhardened(given: dict[str, str]) -> dict[str, str]:
    """Measures that are left out, each with its reason."""
    for measure, reason in given.items():
        if measure not in MEASURES:
            raise ValueError(f"unhardened: no measure {measure!r}; there are {', '.join(MEASURES)}")
        if not isinstance(reason, str) or len(reason.split()) < 3:
            raise ValueError(f"unhardened: {measure} needs its reason, as a sentence")
    return given


def reuse(given: dict[str, Any] | None) -> Reuse | None:
    """`reuse: false`, or nothing, is a job that always runs."""
    if not given and given != {}:
        return None
    return Reuse(tuple(given.get("tables", ())), tuple(given.get("models", ())), bool(given.get("landing", False)))


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
