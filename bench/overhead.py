"""What the operator, with its MLflow run, costs beside a bare `docker run` of the same image, for an idle job.

Pairs in one process, in turn; printed are medians and the median of the differences, in seconds, and the ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from slipway import image_refs, settings
from slipway.embedded import deployment
from slipway.job_operator import JobOperator
from slipway.pipelines import Pipeline

JOB, IMAGE = "checksums", "shell"


def context() -> dict[str, Any]:
    """What Airflow gives a task, as far as the operator reads it."""
    names = {"dag_id": "bench.overhead", "run_id": uuid.uuid4().hex, "task_id": JOB, "map_index": -1, "try_number": 1}
    run = SimpleNamespace(logical_date=None, data_interval_start=None, data_interval_end=None, run_after=None)
    instance = SimpleNamespace(**names, stats_tags={}, max_tries=0, xcom_push=lambda **_: None)
    return {"params": {}, "ti": instance, "dag_run": run}


def through_the_operator() -> float:
    task = JobOperator(job=JOB, pipeline=Pipeline("bench", Path(__file__), {}))
    asked, started = context(), time.monotonic()
    task.execute(asked)
    return time.monotonic() - started


def bare(image: str) -> float:
    started = time.monotonic()
    words = ["docker", "run", "--rm", "--network", "none", image, "sh", "-c", "mkdir -p /tmp/in && ls /tmp/in"]
    subprocess.run(words, check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    os.environ |= {"SLIPWAY_PROJECT": "slipway-bench", "SLIPWAY_RUNTIME": "docker"}
    deployed = settings.read()
    addresses = {
        "MLFLOW_TRACKING_URI": f"http://{deployed.mlflow_container}:5000",
        "MLFLOW_PUBLIC_URL": deployed.mlflow_url,
    }
    os.environ |= {"AIRFLOW_VAR_SLIPWAY_ENV": json.dumps(addresses), "AIRFLOW_VAR_SLIPWAY_SECRETS": "{}"}
    image = image_refs.resolve(IMAGE, deployed.images).reference
    deployment.up("docker", deployed)
    taken = [(through_the_operator(), bare(image)) for _ in range(pairs)]
    deployment.stop(deployed, volumes=True)
    ours, theirs = (statistics.median(side) for side in zip(*taken, strict=True))
    more = statistics.median(one - other for one, other in taken)
    print(f"operator {ours:.2f} s, docker run {theirs:.2f} s, difference {more:.2f} s, ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
