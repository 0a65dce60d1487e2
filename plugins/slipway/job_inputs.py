"""What a job is told: parameters, run identity and image in inputs.json; environment and secrets beside it."""

import json
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.log import mask_secret

from slipway.contracts import Contract
from slipway.errors import SettingsError
from slipway.pipelines import Pipeline

ENV_VARIABLE = "slipway_env"
SECRETS_VARIABLE = "slipway_secrets"


@dataclass(frozen=True)
class JobRequest:
    """All that crosses from Airflow to one run of a job; secrets cross as files and are kept out of its repr."""

    job: str
    inputs: dict[str, Any]
    environment: dict[str, str]
    secrets: "Secrets"


class Secrets(dict[str, str]):
    """Secret values by name; shows names alone."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self)})"


def variable(name: str) -> dict[str, str]:
    """A Variable that holds a JSON object; an absent one is empty.

    Raises SettingsError when it holds something else; the text of the Variable stays out of the message.
    """
    try:
        # Airflow takes a default for a secret to mask, and warns that `{}` is too short for one.
        text = Variable.get(name, default=None)
    except AirflowRuntimeError as error:
        raise SettingsError(f"Airflow Variable {name} can't be read: {error.error.error.value}") from None
    try:
        values = {} if text is None else json.loads(text)
        return {key: str(value) for key, value in values.items()}
    except (ValueError, AttributeError):
        raise SettingsError(
            f"Airflow Variable {name} is not a JSON object of names and values: correct it under Admin > Variables"
        ) from None


def environment(contract: Contract, variable_name: str) -> dict[str, str]:
    """The shared environment, cut down to the names that the job's contract allows."""
    shared = variable(variable_name)
    return {name: shared[name] for name in contract.environment if name in shared}


def secrets(contract: Contract, variable_name: str) -> Secrets:
    """The secrets that the job's contract names; Airflow's own log masks them from here on."""
    held = variable(variable_name)
    for value in held.values():
        mask_secret(value)
    return Secrets({name: held[name] for name in contract.secrets if name in held})


def request(context: Any, contract: Contract, pipeline: Pipeline, image: dict[str, Any]) -> JobRequest:
    """All that one run of a job is given; the Variables are those that the pipeline's YAML names."""
    held = secrets(contract, pipeline.keys.get("secrets_variable", SECRETS_VARIABLE))
    shared = environment(contract, pipeline.keys.get("env_variable", ENV_VARIABLE))
    inputs = build(context, contract, pipeline, pipeline.parameters(contract), image)
    return JobRequest(contract.job, inputs, shared, held)


def run_identity(context: Any) -> dict[str, Any]:
    """Which try of which task asks; no field comes from a clock, so that a retry is told the same."""
    run, instance = context["dag_run"], context["ti"]
    return {
        "dag_id": instance.dag_id,
        "run_id": instance.run_id,
        "task_id": instance.task_id,
        "map_index": -1 if instance.map_index is None else instance.map_index,
        "try_number": instance.try_number,
        "logical_date": iso(run.logical_date),
        "interval_start": iso(run.data_interval_start),
        "interval_end": iso(run.data_interval_end),
        "requested_at": iso(run.run_after),
        "airflow_url": getattr(instance, "log_url", None),
    }


def iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def build(
    context: Any, contract: Contract, pipeline: Pipeline, given: dict[str, Any], image: dict[str, Any]
) -> dict[str, Any]:
    """The document of `/job/in/inputs.json`."""
    asked = {name: context["params"][name] for name in contract.form if name in context["params"]}
    return {
        "slipway": 1,
        "job": contract.job,
        "pipeline": pipeline.name,
        "parameters": {**given, **asked},
        "run": {**run_identity(context), "pipeline_description": pipeline.keys.get("description")},
        "image": image,
    }
