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
from typing import TYPE_CHECKING, Any

from jobs import secret_files
from jobs.errors import Stopped
from jobs.outcome import Outcome, unexpected
from jobs.receipts import receipts
from jobs.secret_files import RedactingFormatter
from jobs.stopping import Watch, stoppable

# An older result that stands is told before what reads the inputs' types is imported.
if TYPE_CHECKING:
    from pydantic import BaseModel

    from jobs.identity import Inputs
    from jobs.tracking import TrackedRun
    from jobs.unchanged import Look

log = logging.getLogger(__name__)


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


def run_job(inputs: "Inputs", parameters: "BaseModel", watch: Watch) -> Outcome:
    """Run the job's function inside its MLflow run, and close that run whatever happens."""
    from jobs import tracking  # a wrong parameter is told without the second that importing mlflow takes

    with (tracking.replay if inputs.replay else tracking.run)(inputs) as run:
        watch.close = lambda: run.end(Outcome.of(watch.cause))
        outcome = attempt(lambda: work(parameters, run))
        outcome.mlflow = {"run_id": run.id, "experiment_id": run.experiment_id}
        closed = attempt(lambda: run.close(outcome))
        if closed.stopped and not outcome.stopped:
            attempt(lambda: run.close(closed))
    return outcome if outcome.error or not closed.error else closed


def work(parameters: "BaseModel", run: "TrackedRun") -> Outcome:
    """What the job's function comes to, and at which versions it found its tables; a replay finds them as they were."""
    from jobs import lake, replays  # the job imports them, too

    inputs = run.inputs
    function = getattr(import_module(f"jobs.{inputs.job}.{inputs.job}"), inputs.job)
    with lake.seen(replays.view_of(inputs)) as view:
        if inputs.replay:
            replays.prepare(inputs, inputs.replay)
        outcome: Outcome = function(parameters, run)
    # How an older try left a table is not how this run would find it once more.
    outcome.read = {} if view.done_before else view.read
    return outcome


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


def older_result(inputs: Path, job: str) -> "Look | None":
    """What the caller's fingerprint comes to; nothing that goes wrong here keeps the job from running."""
    try:
        given = json.loads(inputs.read_bytes())
        if given.get("job") != job or not given.get("fingerprint"):
            return None
        from jobs import unchanged  # a run without a fingerprint needs none of it

        return unchanged.look(given)
    except Exception as error:
        log.warning("whether anything changed can't be told, so the job runs: %s", " ".join(str(error).split()))
        return None


def settle(parts: dict[str, Any], inputs: "Inputs", outcome: Outcome) -> None:
    """Lay what the run did over the parts that it began with."""
    if not parts or outcome.error:
        return
    from jobs import unchanged  # it is there already

    try:
        parts |= unchanged.settled(inputs.pipeline, parts, outcome.tables, outcome.model)
    except Exception as error:
        # Without an identity a table is taken for another one, and the next run does its work.
        log.warning("what this run rests on can't be told in full: %s", " ".join(str(error).split()))


def run_given(path: Path, job: str, parts: dict[str, Any], watch: Watch) -> Outcome:
    """The outcome of an older run where it may stand, else that of the job; `parts` takes what the result rests on."""
    secret_files.hand_over(path, job)
    if look := older_result(path, job):
        parts |= look.parts
        if look.outputs is not None:
            return Outcome.standing(look.outputs, look.why, look.reused)
        log.info("the job runs: %s", look.why)
    from jobs import given  # an older result that stands needs no types

    inputs = given.read_inputs(path, job)
    outcome = run_job(inputs, given.read_parameters(inputs), watch)
    settle(parts, inputs, outcome)
    return outcome


def main(job: str, arguments: list[str] | None = None) -> int:
    """Parse the command line, run the job, leave outputs.json, and return the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{job}")
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--outputs", type=Path)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    start_log()
    parts: dict[str, Any] = {}

    def write(outcome: Outcome) -> None:
        fingerprint = {"fingerprint": parts} if parts else {}
        document = {"slipway": 1, "job": job, **outcome.document(), **fingerprint, "receipts": receipts(started)}
        write_outputs(options.outputs or default_outputs(options.inputs), document)
        log.log(logging.ERROR if outcome.error else logging.INFO, "%s", outcome.summary(job))

    with stoppable(lambda cause: write(Outcome.of(cause))) as watch:
        outcome = attempt(lambda: run_given(options.inputs, job, parts, watch))
        watch.finished.set()
        # Closing what is open may fail on the way, which is not why the job ended.
        if watch.stopped and not outcome.stopped:
            outcome = Outcome.of(watch.cause)
        write(outcome)
    return outcome.exit_code
