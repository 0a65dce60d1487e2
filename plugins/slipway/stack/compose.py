"""Compose, called with this checkout's file, project and settings, whatever folder a person stands in."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from slipway import settings
from slipway.errors import SettingsError, StackError
from slipway.stack import compose_program
from slipway.stack.stack import Stack

FILE = settings.ROOT / "docker-compose.yaml"
# Compose and Airflow inside see the extra pipelines under these folders.
PIPELINES = "/opt/pipelines"
READERS = ("api-server", "scheduler", "dag-processor")


@dataclass(frozen=True)
class Compose:
    """One stack's compose. Secrets reach it in its environment: a command line is for all to see."""

    program: list[str]
    stack: Stack
    filled: dict[str, str]

    def words(self, *words: str) -> list[str]:
        # Compose reads `.env` by rules of its own; what it gets from us is read already.
        options = ["--project-name", self.stack.name, "--project-directory", str(settings.ROOT)]
        files = [FILE, *([override(self.stack)] if override(self.stack).is_file() else [])]
        options += ["--env-file", os.devnull, "--progress", "plain", "--ansi", "never"]
        return [*self.program, *options, *(word for file in files for word in ("--file", str(file))), *words]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        profiles = "store" if self.stack.own_store else ""
        return {**kept, **self.stack.environment(), **self.filled, "COMPOSE_PROFILES": profiles}

    def start(self, log: Path, *words: str) -> "subprocess.Popen[bytes]":
        """Begin a command whose words go into a log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            return subprocess.Popen(
                self.words(*words), env=self.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def run(self, title: str, *words: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """What a command printed.

        Raises StackError with the last line that it said where it fails.
        """
        done = subprocess.run(self.words(*words), env=self.environment(), stdin=stdin, capture_output=True, check=False)
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            raise StackError(f"{title}: {last_line(done.stderr.decode(errors='replace') or said)}")
        return said

    def stream(
        self, title: str, take: Callable[[IO[bytes]], Any], *words: str, stdin: IO[bytes] | int = subprocess.DEVNULL
    ) -> None:
        """Give what a command prints to `take` as it comes.

        Raises StackError with the last line that it said where it fails.
        """
        with tempfile.TemporaryFile() as said:
            running = self._popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=said)
            with running, ended_on_fault(running):
                take(cast("IO[bytes]", running.stdout))
            check(title, running, said)

    def feed(self, title: str, give: Callable[[IO[bytes]], Any], *words: str) -> str:
        """Let `give` write to a command's standard input; what the command printed.

        Raises StackError with the last line that it said where it fails.
        """
        with tempfile.TemporaryFile() as said:
            running = self._popen(words, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT)
            # Why a command stopped reading is what it says itself.
            with suppress(BrokenPipeError), running, ended_on_fault(running):
                give(cast("IO[bytes]", running.stdin))
            return check(title, running, said)

    def _popen(self, words: tuple[str, ...], **pipes: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self.words(*words), env=self.environment(), **pipes)


@contextmanager
def ended_on_fault(running: "subprocess.Popen[bytes]") -> Iterator[None]:
    """A command does not outlive a fault of the side that reads or feeds it."""
    try:
        yield
    except BrokenPipeError:
        raise
    except BaseException:
        running.terminate()
        raise


def check(title: str, running: "subprocess.Popen[bytes]", said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read().decode(errors="replace")
    if running.returncode:
        raise StackError(f"{title}: {last_line(text)}")
    return text


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


def of(stack: Stack, filled: dict[str, str], fetch: bool = False) -> Compose:
    """This stack's compose, with what is known beside its settings: images, the engine's socket and its group."""
    return Compose(compose_program.words(fetch), stack, filled)


def override(stack: Stack) -> Path:
    return stack.folder / "pipelines.json"


def write_override(stack: Stack) -> None:
    """Mount the extra pipeline folders of SLIPWAY_PIPELINES where Airflow reads them; JSON is YAML too.

    Raises SettingsError for a folder that is not there.
    """
    extra = [folder.absolute() for folder in stack.settings.pipelines[1:]]
    for folder in extra:
        if not folder.is_dir():
            raise SettingsError(f"SLIPWAY_PIPELINES names {folder}, which is no folder here: correct it in .env")
    stack.folder.mkdir(parents=True, exist_ok=True)
    if not extra:
        override(stack).unlink(missing_ok=True)
        return
    inside = {folder: f"{PIPELINES}/{number}/{folder.name}" for number, folder in enumerate(extra, 1)}
    mounts = [
        {"type": "bind", "source": escaped(str(folder)), "target": escaped(target), "read_only": True}
        for folder, target in inside.items()
    ]
    part = {"volumes": mounts, "environment": {"SLIPWAY_PIPELINES": escaped(":".join(inside.values()))}}
    override(stack).write_text(json.dumps({"services": dict.fromkeys(READERS, part)}, indent=2), encoding="utf-8")


def escaped(text: str) -> str:
    """A `$` that compose leaves as it is."""
    return text.replace("$", "$$")
