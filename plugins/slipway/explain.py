"""`slipway explain`: in the deployment that runs, from inside its Airflow where only that knows the Variables."""

import sys

from slipway import inside_airflow
from slipway.errors import SlipwayError
from slipway.progress import say


def run(name: str, named_stack: bool | None) -> None:
    """Say which part of a task's fingerprint changed, and whether it would run now."""
    inside_airflow.run("slipway.explain", [name], named_stack, lambda: here(name))


def here(name: str) -> None:
    """The same in an environment that Airflow's own settings are in."""
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
