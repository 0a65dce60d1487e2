"""What a pipeline's chain costs a second time, when nothing has changed, against its first time.

Ingest, train with promote, and predict on an empty lake, then again without a change; printed are the chains' seconds
as Airflow's own runner took them, each task's, and the ratio of the median of the later chains to the first one.
"""

import argparse
import os
import socket
import statistics
import tempfile
from typing import Any

from slipway import settings
from slipway.embedded import demo, deployment


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def told(name: str, chain: list[dict[str, Any]]) -> float:
    """Print one chain; its seconds."""
    seconds: float = sum(dag["seconds"] for dag in chain)
    tasks = ", ".join(f"{task['task']} {task['seconds']:.1f}" for dag in chain for task in dag["tasks"])
    print(f"{name}: {seconds:.1f} s ({tasks})")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="bike_demand")
    parser.add_argument("--again", type=int, default=5, help="how often the chain runs once more")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as state:
        os.environ |= {"SLIPWAY_STATE": state, "SLIPWAY_PROJECT": "slipway-bench", "SLIPWAY_RUNTIME": "docker"}
        os.environ |= {"MLFLOW_PORT": free_port()}
        deployed = settings.read()
        try:
            first = told("first", demo.followed(options.pipeline, False, "docker", deployed))
            later = [
                told("again", demo.followed(options.pipeline, False, "docker", deployed)) for _ in range(options.again)
            ]
        finally:
            deployment.stop(deployed, volumes=True)
    print(f"unchanged chain: ratio {statistics.median(later) / first:.3f}")


if __name__ == "__main__":
    main()
