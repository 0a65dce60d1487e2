"""`slipway replay`: a past run once more, from inside the deployment that runs."""

import argparse
import subprocess
import sys
from typing import Any

from slipway import inside_airflow
from slipway.errors import SlipwayError


def run(run_id: str, keep: bool, named_stack: bool | None) -> int:
    """0 where all came out as it did then, 1 where something did not."""
    from slipway.stack import chosen

    if stack := chosen.running_stack(named_stack):
        return in_stack(run_id, keep, stack)
    inside_airflow.enter_embedded()
    return here(run_id, keep)


def in_stack(run_id: str, keep: bool, stack: Any) -> int:
    from slipway.stack import compose, starting

    composed = compose.of(stack, starting.known(stack.settings))
    options = [word for pair in inside_airflow.INSIDE.items() for word in ("--env", "=".join(pair))]
    program = ["python", "-m", "slipway.replay", run_id, *["--keep"] * keep]
    words = composed.words("exec", "-T", *options, "scheduler", *program)
    return subprocess.run(words, env=composed.environment(), stdin=subprocess.DEVNULL, check=False).returncode


def here(run_id: str, keep: bool) -> int:
    """The same in an environment that Airflow's own settings are in."""
    # Airflow reads the environment when it is first imported.
    from slipway import replaying

    return replaying.replay(run_id, keep)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m slipway.replay")
    parser.add_argument("run_id")
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    try:
        sys.exit(here(asked.run_id, asked.keep))
    except SlipwayError as error:
        sys.stderr.write(f"slipway: {error}\n")
        sys.exit(error.exit_code)
