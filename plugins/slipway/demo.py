"""The demo: services up, then one pipeline's DAGs through Airflow's own runner, then what came of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from slipway import dag_runner, embedded, pipelines, report
from slipway.errors import DemoFailedError, ImageMissingError
from slipway.progress import say
from slipway.settings import Settings

KINDS = ("ingest", "train", "predict")


def run(pipeline: str, verbose: bool, deployed: Settings) -> None:
    """Run the pipeline and print the report.

    Raises PipelineError for a YAML that can't be used, DemoFailedError with the failing task's own words.
    """
    chosen = embedded.runtime(deployed)
    say(embedded.described(chosen, deployed))
    pipelines.named(pipeline, deployed)
    asked = {"pipeline": pipeline, "kinds": KINDS, "logs": str(deployed.state / "logs")}
    with dag_runner.started(asked, verbose, chosen, deployed) as runner:
        if chosen == "docker":
            build_images(deployed)
        embedded.up(chosen, deployed)
        runner.go()
        ended = list(runner.follow(KINDS))
    check(ended, deployed)
    say("\n".join(report.lines(pipeline, ended, deployed)))
    check_others(deployed)


def build_images(deployed: Settings) -> None:
    """Build the images whose sources changed since they were last built; seconds when none did."""
    build = deployed.images / "build.py"
    if build.is_file() and subprocess.run([sys.executable, build], check=False).returncode:
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
