"""`slipway reap`: in the deployment that runs, from inside its Airflow where only that knows tasks and Variables."""

import sys

from slipway import inside_airflow
from slipway.errors import ReapError, SlipwayError
from slipway.progress import say


def run(remove: bool, named_stack: bool | None) -> None:
    """Say what jobs left behind, or remove it.

    Raises ReapError with what could not be asked.
    """
    inside_airflow.run("slipway.reap_word", ["--remove"] * remove, named_stack, lambda: here(remove))


def here(remove: bool) -> None:
    """The same in an environment that Airflow's own settings are in."""
    from slipway import pipelines, settings, task_states
    from slipway.reaper import Round

    deployed, said = settings.read(), list[str]()
    known = [one for one in pipelines.load_all(deployed) if isinstance(one, pipelines.Pipeline)]
    one = Round(deployed, known, task_states.by_database())

    def tell(line: str) -> None:
        said.append(line)
        say(line)

    one.reap(tell, remove)
    if one.faults:
        raise ReapError(f"not all could be looked at: {'; '.join(one.faults)}")
    if not said:
        say("no job has left anything behind")


if __name__ == "__main__":
    try:
        here("--remove" in sys.argv[1:])
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
