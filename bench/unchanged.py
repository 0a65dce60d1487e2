"""What a pipeline's chain costs a second time, when nothing has changed, against its first time.

Ingest, train with promote, and predict on an empty lake, then again without a change; printed are the chains' seconds
as Airflow's own runner took them, each task's, and the ratios of medians of the later chains to the first one: of whole
chains, and of their ingest alone, which is all that Airflow's schedules run where ingest finds nothing new.
"""

import argparse
import os
import socket
import statistics
import tempfile
from typing import Any

from slipway import settings
from slipway.embedded import demo, deployment
from slipway.settings import Settings


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def chain(pipeline: str, deployed: Settings) -> list[dict[str, Any]]:
    """Raises DemoFailedError unless all of it ended well."""
    ended = demo.followed(pipeline, False, "docker", deployed)
    demo.check(ended, deployed)
    return ended


def told(name: str, chain: list[dict[str, Any]]) -> tuple[float, float]:
    """Print one chain; its seconds, and those of its first DAG."""
    seconds = [float(dag["seconds"]) for dag in chain]
    tasks = ", ".join(f"{task['task']} {task['seconds']:.1f}" for dag in chain for task in dag["tasks"])
    print(f"{name}: {sum(seconds):.1f} s ({tasks})")
    return sum(seconds), seconds[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="bike_demand")
    parser.add_argument("--again", type=int, default=5, help="how often the chain runs once more")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as state:
        os.environ |= {"SLIPWAY_STATE": state, "SLIPWAY_PROJECT": "slipway-bench", "SLIPWAY_RUNTIME": "docker"}
        # Whatever lake and network the checkout's .env names, these are the benchmark's own.
        own = {"SLIPWAY_LAKE_VOLUME": "slipway-bench-lake", "SLIPWAY_NETWORK": "slipway-bench"}
        os.environ |= own | {"MLFLOW_PORT": free_port()}
        deployed = settings.read()
        try:
            first, _ = told("first", chain(options.pipeline, deployed))
            later = [told("again", chain(options.pipeline, deployed)) for _ in range(options.again)]
        finally:
            deployment.stop(deployed, volumes=True)
    whole, ingest = (statistics.median(side) / first for side in zip(*later, strict=True))
    print(f"unchanged chain: ratio {whole:.2f} with every task asked again, {ingest:.2f} as schedules run it")


if __name__ == "__main__":
    main()
