"""What a job is given, checked against its types."""

from importlib import import_module
from pathlib import Path

from pydantic import BaseModel, ValidationError

from jobs.errors import UsageError
from jobs.identity import Inputs


def read_inputs(path: Path, job: str) -> Inputs:
    """Raises UsageError when the file is absent, is not JSON, or is meant for another job."""
    try:
        inputs = Inputs.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; give --inputs a readable inputs.json") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {readable(error)}") from error
    if inputs.job != job:
        raise UsageError(f"{path} is for the job {inputs.job}, not for {job}: run python -m jobs.{inputs.job}")
    return inputs


def read_parameters(inputs: Inputs) -> BaseModel:
    """The job's own typed parameters; an unknown or wrong one raises UsageError."""
    model: type[BaseModel] = import_module(f"jobs.{inputs.job}.parameters").Parameters
    try:
        return model.model_validate(inputs.parameters)
    except ValidationError as error:
        raise UsageError(f"parameters of {inputs.pipeline}.{inputs.job}: {readable(error)}") from error


def readable(error: ValidationError) -> str:
    """Pydantic's findings in one line."""
    found = (f"{'.'.join(map(str, e['loc'])) or 'the document'}: {e['msg']}" for e in error.errors(include_url=False))
    return "; ".join(found)
