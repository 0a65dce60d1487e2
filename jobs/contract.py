"""The contract between a task and its container: inputs.json in, outputs.json and an exit code out."""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs import secret_files
from jobs.errors import Stopped, UsageError
from jobs.identity import Inputs
from jobs.outcome import Outcome, unexpected
from jobs.receipts import receipts
from jobs.secret_files import RedactingFormatter
from jobs.stopping import Watch, stoppable

log = logging.getLogger(__name__)


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


def default_outputs(inputs: Path) -> Path:
    folder = inputs.absolute().parent
    return folder.parent / "out" / "outputs.json" if folder.name == "in" else folder / "outputs.json"


def write_outputs(path: Path, document: dict[str, Any]) -> None:
    """Write under a temporary name, then rename: a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**document, "closed": True}, indent=1, default=str, allow_nan=False)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    # The file is made 0600, and the operator may read it as another user.
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def run_job(inputs: Inputs, parameters: BaseModel, watch: Watch) -> Outcome:
    """Run the job's function inside its MLflow run, and close that run whatever happens."""
    from jobs import tracking  # a wrong parameter is told without the second that importing mlflow takes

    function = getattr(import_module(f"jobs.{inputs.job}.{inputs.job}"), inputs.job)
    with tracking.run(inputs) as run:
        watch.close = lambda: run.end(Outcome.of(Stopped("stopped")))
        outcome = attempt(lambda: function(parameters, run))
        outcome.mlflow = {"run_id": run.id, "experiment_id": run.experiment_id}
        closed = attempt(lambda: run.close(outcome))
        if closed.exit_code == Stopped.exit_code and outcome.exit_code != Stopped.exit_code:
            attempt(lambda: run.close(closed))
    return outcome if outcome.error or not closed.error else closed


def attempt(step: Callable[[], Outcome]) -> Outcome:
    """The step's outcome, or what its exception means; a traceback only for what nobody foresaw."""
    try:
        return step()
    except (Exception, Stopped) as error:
        if unexpected(error):
            log.exception("nobody foresaw this:")
        return Outcome.of(error)


def start_log() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))


def main(job: str, arguments: list[str] | None = None) -> int:
    """Parse the command line, run the job, leave outputs.json, and return the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{job}")
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--outputs", type=Path)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    start_log()

    def write(outcome: Outcome) -> None:
        document = {"slipway": 1, "job": job, **outcome.document(), "receipts": receipts(started)}
        write_outputs(options.outputs or default_outputs(options.inputs), document)
        log.log(logging.ERROR if outcome.error else logging.INFO, "%s", outcome.summary(job))

    def run(watch: Watch) -> Outcome:
        secret_files.hand_over(options.inputs, job)
        inputs = read_inputs(options.inputs, job)
        return run_job(inputs, read_parameters(inputs), watch)

    stopped = Outcome.of(Stopped("stopped"))
    with stoppable(lambda: write(stopped)) as watch:
        outcome = attempt(lambda: run(watch))
        watch.finished.set()
        # Closing what is open may fail on the way, which is not why the job ended.
        if watch.stopped and outcome.exit_code != Stopped.exit_code:
            outcome = stopped
        write(outcome)
    return outcome.exit_code
