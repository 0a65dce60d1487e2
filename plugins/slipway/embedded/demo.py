"""The demo: services up, then one pipeline's DAGs through Airflow's own runner, then what came of it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway import pipelines
from slipway.embedded import demo_follower, deployment, report
from slipway.errors import DemoFailedError, ImageMissingError
from slipway.progress import say
from slipway.settings import Settings

KINDS = ("ingest", "train", "predict")
IMAGES = ("data", "model", "mlflow")


def run(pipeline: str, verbose: bool, deployed: Settings) -> None:
    """Run the pipeline and print the report.

    Raises PipelineError for a YAML that can't be used, DemoFailedError with the failing task's own words.
    """
    runtime = deployment.runtime(deployed)
    say(deployment.described(runtime, deployed))
    pipelines.named(pipeline, deployed)
    with alone(deployed):
        ended = followed(pipeline, verbose, runtime, deployed)
    check(ended, deployed)
    say("\n".join(report.lines(pipeline, ended, deployed)))
    # Last: this pipeline's own report is worth reading first.
    check_others(deployed)


@contextmanager
def alone(deployed: Settings) -> Iterator[None]:
    """One demo of a state folder at a time: two would share logs, database and MLflow.

    Raises DemoFailedError when another one runs.
    """
    deployed.state.mkdir(parents=True, exist_ok=True)
    with (deployed.state / "demo.lock").open("a+", encoding="utf-8") as lock:
        try:
            # The kernel lets go of it however its holder ends, so none is left behind.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DemoFailedError(
                f"another demo runs here (pid {lock.read()}): wait for its end, or give this one"
                " a SLIPWAY_STATE, SLIPWAY_PROJECT and MLFLOW_PORT of its own"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def followed(pipeline: str, verbose: bool, runtime: str, deployed: Settings) -> list[dict[str, Any]]:
    """Run the DAGs; the end of each, fewer where one failed."""
    asked = {"pipeline": pipeline, "kinds": KINDS, "logs": str(deployed.state / "logs")}
    # Airflow takes as long to load as services to start, so both happen at once.
    with demo_follower.started(asked, verbose, runtime, deployed) as follower:
        if runtime == "docker":
            build_images(deployed)
        deployment.up(runtime, deployed)
        follower.go()
        return list(follower.follow(KINDS))


def build_images(deployed: Settings) -> None:
    """Build the images whose sources changed since they were last built; seconds when none did."""
    build = deployed.images / "build.py"
    if build.is_file() and subprocess.run([sys.executable, build, *IMAGES], check=False).returncode:
        raise ImageMissingError("the images could not be built, see above: mend it, then `make images`")


def check(ended: list[dict[str, Any]], deployed: Settings) -> None:
    """Raises DemoFailedError unless every DAG ended well."""
    if len(ended) == len(KINDS) and all(one["state"] == "success" for one in ended):
        return
    if ended and ended[-1]["state"] != "success":
        log = deployed.state / "logs" / f"demo-{ended[-1]['kind']}.log"
        raise DemoFailedError(f"{ended[-1]['kind']} failed: {failure(ended[-1], log)}\n  log: {log}")
    log = deployed.state / "logs" / ("demo-airflow.log" if not ended else f"demo-{KINDS[len(ended)]}.log")
    raise DemoFailedError(f"Airflow broke off: {last_line(log)}\n  log: {log}")


def failure(ended: dict[str, Any], log: Path) -> str:
    """What the failed tasks of one DAG said; the end of the log where they said nothing."""
    said = [task["error"] for task in ended["tasks"] if task["state"] == "failed" and task["error"]]
    return ended["error"] or "; ".join(said) or last_line(log)


def last_line(log: Path) -> str:
    written = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    return written[-1] if written else "it said nothing"


def check_others(deployed: Settings) -> None:
    """A broken pipeline beside this one is not passed over in silence."""
    for pipeline in pipelines.load_all(deployed):
        if isinstance(pipeline, pipelines.BrokenPipeline):
            raise pipeline.error
