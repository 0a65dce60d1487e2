"""The words of the `slipway` command that are about the stack; each imports what it needs when it is used."""

import argparse
from collections.abc import Callable
from pathlib import Path

from slipway.progress import say

Arguments = argparse.Namespace


def add_all(
    add: Callable[..., argparse.ArgumentParser], words: "argparse._SubParsersAction[argparse.ArgumentParser]"
) -> None:
    add(words, "up", up, "start the stack, or what of it doesn't run: PostgreSQL, a store, MLflow and Airflow")
    down_word = add(words, "down", down, "stop the stack when its running tasks have ended; its data stays")
    down_word.add_argument("--volumes", action="store_true", help="remove its data too")
    backup_word = add(words, "backup", backup, "save the stack's databases, bucket and secrets")
    backup_word.add_argument("folder", nargs="?", type=Path, help="a new folder (default: backups/ and the time)")
    restore_word = add(words, "restore", restore, "fill an empty stack from a backup, count what arrived, start it")
    restore_word.add_argument("folder", type=Path, help="what `slipway backup` wrote")
    add(words, "upgrade", upgrade, "back up, then bring the databases to the versions of this checkout's images")
    add(words, "doctor", doctor, "look the stack over; each line says what to do, and 1 is the exit code if one failed")


def up(arguments: Arguments) -> None:
    from slipway.stack import starting

    starting.up()


def down(arguments: Arguments) -> None:
    from slipway.stack import stack, stopping

    deployed = stack.read_loosely()
    removed = stopping.down(deployed, arguments.volumes)
    for one in removed:
        say(f"removed {one}")
    if not removed:
        say(f"nothing of {deployed.name} was there to remove")


def backup(arguments: Arguments) -> None:
    from slipway.stack import backup, stack

    say(f"backup in {backup.backup(stack.read(), arguments.folder)}")


def restore(arguments: Arguments) -> None:
    from slipway.stack import restore

    restore.restore(arguments.folder)


def upgrade(arguments: Arguments) -> None:
    from slipway.stack import upgrade

    upgrade.upgrade()


def doctor(arguments: Arguments) -> int:
    from slipway.stack import doctor

    return doctor.examine()
