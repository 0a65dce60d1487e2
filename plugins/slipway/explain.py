"""`slipway explain`: in the deployment that runs, from inside its Airflow where only that knows the Variables."""

import os
import sys
from typing import Any

from slipway import settings
from slipway.errors import SlipwayError
from slipway.progress import say

# Outside of a task Airflow reads its Variables from the database only where it takes itself for a server.
READING = {"_AIRFLOW_PROCESS_CONTEXT": "server"}
# The folder is on no path but that of Airflow's own processes.
INSIDE = {**READING, "PYTHONPATH": "/opt/slipway/plugins"}


def run(name: str, named_stack: bool | None) -> None:
    """Say which part of a task's fingerprint changed, and whether it would run now."""
    from slipway.stack import chosen

    if stack := chosen.running_stack(named_stack):
        say(in_stack(name, stack), end="")
        return
    enter_embedded()
    here(name)


def enter_embedded() -> None:
    """Take on the environment of the embedded deployment's Airflow, its database brought up to date."""
    from slipway.embedded import airflow_home, deployment

    deployed = settings.read()
    os.environ.update(airflow_home.prepare(deployment.runtime(deployed), deployed))
    airflow_home.migrate(dict(os.environ))


def in_stack(name: str, stack: Any) -> str:
    from slipway.stack import compose, starting

    composed = compose.of(stack, starting.known(stack.settings))
    options = [word for pair in INSIDE.items() for word in ("--env", "=".join(pair))]
    return composed.run("explain", "exec", "-T", *options, "scheduler", "python", "-m", "slipway.explain", name)


def here(name: str) -> None:
    """The same in an environment that Airflow's own settings are in."""
    os.environ.update(READING)
    # Airflow reads the environment when it is first imported.
    from slipway import explanation

    for line in explanation.lines(name):
        say(line)


if __name__ == "__main__":
    try:
        here(sys.argv[1])
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
