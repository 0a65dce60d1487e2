"""Words of the command that only an Airflow can answer: run beside its database, in the deployment that runs."""

import io
import os
from collections.abc import Callable
from typing import IO, Any

from slipway import settings
from slipway.progress import say

# Outside of a task Airflow reads its Variables from the database only where it takes itself for a server.
READING = {"_AIRFLOW_PROCESS_CONTEXT": "server"}
# The folder is on no path but that of Airflow's own processes.
INSIDE = {**READING, "PYTHONPATH": "/opt/slipway/plugins"}


def run(module: str, words: list[str], named_stack: bool | None, here: Callable[[], None]) -> None:
    """Call the module in the stack's scheduler, or `here` in an environment that the demo's Airflow is read from."""
    from slipway.stack import chosen

    if stack := chosen.running_stack(named_stack):
        in_stack(module, words, stack)
        return
    enter_embedded()
    here()


def enter_embedded() -> None:
    """Take on the environment of the embedded deployment's Airflow, its database brought up to date."""
    from slipway.embedded import airflow_home, deployment

    deployed = settings.read()
    os.environ.update(airflow_home.prepare(deployment.runtime(deployed), deployed))
    airflow_home.migrate(dict(os.environ))
    os.environ.update(READING)


def in_stack(module: str, words: list[str], stack: Any) -> None:
    from slipway.stack import compose, starting

    composed = compose.of(stack, starting.known(stack.settings))
    options = [word for pair in INSIDE.items() for word in ("--env", "=".join(pair))]
    told = ["exec", "-T", *options, "scheduler", "python", "-m", module, *words]
    composed.stream(module.rpartition(".")[2], show, *told)


def show(lines: IO[bytes]) -> None:
    for line in io.TextIOWrapper(lines, encoding="utf-8", errors="replace"):
        say(line, end="")
