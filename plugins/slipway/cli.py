"""The `slipway` command. Each word imports what it needs when it is used, so that help is there at once."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from slipway import settings
from slipway.errors import SlipwayError
from slipway.stack import words as stack_words

if TYPE_CHECKING:
    from slipway.embedded.landing import Arrival
    from slipway.stack.stack import Stack

Arguments = argparse.Namespace
# What to do after Ctrl-C, where a word leaves something running.
NEXT = {
    **dict.fromkeys(("demo", "mlflow", "stop", "airflow"), "`make stop` ends what still runs"),
    "up": "`make down` ends what still runs",
}


def main(given: list[str] | None = None) -> int:
    """Run one word; a fault that has an exit code of its own is one line on standard error."""
    arguments = parser().parse_args(given)
    # Asked to end, a command still removes what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return arguments.run(arguments) or 0
    except SlipwayError as error:
        print(f"slipway: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"slipway: stopped; {NEXT.get(arguments.word, 'run it again')}", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="slipway", description="Versioned, dockerised ML jobs under Airflow.", epilog="Settings: see .env.example."
    )
    words = whole.add_subparsers(title="words", dest="word", required=True, metavar="WORD")
    demo_words(words)
    file_words(words)
    stack_words.add_all(add, words)
    release_words(words)
    add(words, "check", check, "name each broken pipeline and end with 64 if there is one")
    airflow = add(words, "airflow", airflow_command, "run Airflow's own command on this checkout's DAGs and database")
    airflow.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="as in: dags test bike_demand.ingest"
    )
    return whole


def add(
    words: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[Arguments], int | None],
    text: str,
) -> argparse.ArgumentParser:
    word = words.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    word.set_defaults(run=run)
    return word


def demo_words(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = add(words, "demo", demo_command, "run one pipeline's ingest, train and predict, and report what came of it")
    demo.add_argument("pipeline", nargs="?", default="bike_demand", help="its YAML's name (default: %(default)s)")
    demo.add_argument("--verbose", action="store_true", help="show what Airflow and the tasks say")
    add(words, "mlflow", mlflow_command, "start MLflow, or keep the one that runs")
    stop = add(words, "stop", stop_command, "stop MLflow and what jobs left running")
    stop.add_argument("--volumes", action="store_true", help="remove the lake and MLflow's data too")


def file_words(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    land = add(
        words,
        "land",
        land_command,
        "bring files into landing of the lake, where `source.files` of a pipeline finds them",
    )
    choose(land)
    land.add_argument("files", nargs="+", metavar="FILE")
    land.add_argument("--as", dest="name", metavar="NAME", help="what the one file is called there")
    land.add_argument("--into", metavar="FOLDER", help="a folder below landing; made where it is not there")
    inputs = add(words, "inputs", inputs_command, "print the inputs.json that a past run was given")
    inputs.add_argument(
        "run_name",
        metavar="RUN",
        help="the Run ID on a run's page in MLflow; or that of a DAG run's page in Airflow, with --task",
    )
    inputs.add_argument("--task", help="the task of the Airflow run")
    choose(inputs)
    explain = add(words, "explain", explain_command, "say what changed since a task ran, and whether it would run now")
    explain.add_argument("task", metavar="TASK", help="as in: bike_demand.train, or bike_demand.train.promote")
    choose(explain)
    reap = add(words, "reap", reap_command, "name containers, volumes and MLflow runs that jobs left behind, and why")
    reap.add_argument("--remove", action="store_true", help="remove, or close, what two looks 15 s apart find")
    choose(reap)
    replay = add(
        words, "replay", replay_command, "run a past run once more beside the real tables, and tell what differs"
    )
    replay.add_argument("run_id", metavar="RUN", help="the Run ID on the page in MLflow of an ingest, train or predict")
    replay.add_argument("--keep", action="store_true", help="leave the tables that the replay wrote in the lake")
    choose(replay)


def choose(word: argparse.ArgumentParser) -> None:
    """Without a choice the stack is meant while it runs."""
    which = word.add_mutually_exclusive_group()
    which.add_argument("--stack", action="store_const", const=True, help="of the stack (default while it runs)")
    which.add_argument(
        "--embedded", action="store_const", const=False, dest="stack", help="of `make demo` (default otherwise)"
    )


def demo_command(arguments: Arguments) -> None:
    from slipway.embedded import demo

    demo.run(arguments.pipeline, arguments.verbose, settings.read())


def mlflow_command(arguments: Arguments) -> None:
    from slipway.embedded import deployment

    deployed = settings.read()
    deployment.up(deployment.runtime(deployed), deployed)


def stop_command(arguments: Arguments) -> None:
    from slipway.embedded import deployment

    deployed = settings.read()
    removed = deployment.stop(deployed, arguments.volumes)
    for one in removed:
        print(f"removed {one}")
    if not removed:
        print(f"nothing of {deployed.project} was there to remove")


def land_command(arguments: Arguments) -> None:
    from slipway.embedded import landing
    from slipway.stack import chosen

    files, folder = landing.arrivals(arguments.files, arguments.name), landing.inside(arguments.into)
    stack = chosen.running_stack(arguments.stack)
    landed = landed_in_stack(files, folder, stack) if stack else landed_embedded(files, folder)
    where = f" in {stack.name}" if stack else ""
    for name, replaced in landed.items():
        print(f"landed {folder / name}{where}{', in place of an older file' if replaced else ''}")


def landed_in_stack(files: list["Arrival"], folder: PurePosixPath, stack: "Stack") -> dict[str, bool]:
    from slipway.stack import arriving, compose, starting

    return arriving.land(files, folder, compose.of(stack, starting.known(stack.settings)))


def landed_embedded(files: list["Arrival"], folder: PurePosixPath) -> dict[str, bool]:
    from slipway.embedded import deployment, landing

    deployed = settings.read()
    landing.check_embedded()
    return landing.land(files, folder, deployment.runtime(deployed), deployed)


def inputs_command(arguments: Arguments) -> None:
    from slipway.embedded import past_inputs
    from slipway.stack import chosen

    stack = chosen.running_stack(arguments.stack)
    url, login = (stack.mlflow_url, stack.login()) if stack else (settings.read().mlflow_url, None)
    found = past_inputs.of(url, arguments.run_name, arguments.task, login)
    print(json.dumps(found, indent=2))
    if stack:
        print(f"out of the MLflow of {stack.name}", file=sys.stderr)
    print(past_inputs.by_hand(arguments.run_name, found, arguments.task), file=sys.stderr)


def explain_command(arguments: Arguments) -> None:
    from slipway import explain

    explain.run(arguments.task, arguments.stack)


def reap_command(arguments: Arguments) -> None:
    from slipway import reap_word

    reap_word.run(arguments.remove, arguments.stack)


def replay_command(arguments: Arguments) -> int:
    from slipway import replay

    return replay.run(arguments.run_id, arguments.keep, arguments.stack)


def release_words(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    release = add(words, "release", release_command, "push the images that were built and note their digests")
    release.add_argument("--registry", required=True, metavar="HOST/PREFIX", help="as in: registry.example.com/team")
    release.add_argument("--allow-dirty", action="store_true", help="also what was built from uncommitted changes")
    bundle = add(words, "bundle", bundle_command, "write the folders that an Airflow of another team mounts, and a zip")
    bundle.add_argument("folder", nargs="?", default="dist", help="where to (default: %(default)s)")
    bundle.add_argument("--local", action="store_true", help="with this machine's builds in place of released images")


def release_command(arguments: Arguments) -> None:
    from slipway import release

    release.run(arguments.registry, settings.read().images, arguments.allow_dirty)


def bundle_command(arguments: Arguments) -> None:
    from slipway import bundle

    bundle.run(Path(arguments.folder), arguments.local, settings.read())


def check(arguments: Arguments) -> int:
    from slipway import pipelines

    return pipelines.main()


def airflow_command(arguments: Arguments) -> None:
    from slipway.embedded import airflow_home

    airflow_home.run(arguments.arguments, settings.read())


if __name__ == "__main__":
    sys.exit(main())
