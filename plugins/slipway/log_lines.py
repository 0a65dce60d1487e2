"""Lines out of a stream of bytes, with known secrets taken out."""

import base64
import codecs
import json
import logging
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

# A shorter piece of a secret that holds newlines would blank innocent text all over the log.
SHORTEST_PIECE = 4
# A line that never ends must not fill the worker's memory.
LONGEST_LINE = 65_536
PROGRESS_SECONDS = 1.0
LEVEL = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)[: ]\s*(.*)", re.DOTALL)


class Lines:
    """Takes one stream's bytes as they come and gives whole lines.

    Characters cut in two by a chunk's end are put together again. Of a line that is drawn over and over (a progress
    bar, by carriage returns) the newest state is shown, at most once a second. A line without an end is given in
    pieces, none of which cuts a secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.secrets = redactor(secrets)
        self.longest_secret = max(map(len, secrets), default=0) * 3
        self.rest = ""
        self.shown = ""
        self.shown_at = -PROGRESS_SECONDS

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that this chunk completes."""
        *whole, self.rest = (self.rest + self.decoder.decode(chunk)).split("\n")
        states = [last_state(line) for line in whole]
        if states and states[0] and states[0] == self.shown:
            del states[0]
        found = [self.blanked(state) for state in states]
        if whole:
            self.shown = ""
        return found + self.pieces() + self.progress()

    def end(self) -> list[str]:
        """What is left when the stream has ended."""
        rest, self.rest = self.rest + self.decoder.decode(b"", final=True), ""
        return [self.blanked(last_state(rest))] if rest and last_state(rest) != self.shown else []

    def progress(self) -> list[str]:
        """The newest state of a line that is still drawn over, now and then."""
        # One at the very end may be half of a line's end.
        if "\r" not in self.rest.rstrip("\r"):
            return []
        self.rest = self.rest[self.rest.rstrip("\r").rfind("\r") + 1 :]
        state = last_state(self.rest)
        if not state or state == self.shown or time.monotonic() - self.shown_at < PROGRESS_SECONDS:
            return []
        self.shown, self.shown_at = state, time.monotonic()
        return [self.blanked(state)]

    def pieces(self) -> list[str]:
        """All but the end of a line that grew too long: what may be the beginning of a secret waits."""
        found = []
        while len(self.rest) > LONGEST_LINE + self.longest_secret:
            cut = LONGEST_LINE
            for secret in self.secrets.finditer(self.rest) if self.secrets else ():
                if secret.start() < cut < secret.end():
                    cut = secret.end()
            found.append(self.blanked(self.rest[:cut]))
            self.rest = self.rest[cut:]
        return found

    def blanked(self, text: str) -> str:
        return self.secrets.sub("***", text) if self.secrets else text


def last_state(line: str) -> str:
    """What a terminal would show of a line in the end."""
    return line.rstrip("\r").rpartition("\r")[2]


def levelled(line: str) -> tuple[int, str]:
    """The level that a job's line begins with, and the rest of it; INFO where it begins with none."""
    found = LEVEL.fullmatch(line)
    return (logging.getLevelNamesMapping()[found[1]], found[2]) if found else (logging.INFO, line)


def redactor(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of all secrets, longest first: as they are, as programs like to write them, and line by line."""
    values = {value for value in secrets if value}
    pieces = {piece for value in values for piece in value.splitlines() if len(piece) >= SHORTEST_PIECE}
    ordered = sorted(values | pieces | {text for value in values for text in written(value)}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def written(value: str) -> set[str]:
    """A secret as JSON, Python and an address write it, and as base64."""
    raw = value.encode()
    return {json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe=""), base64.b64encode(raw).decode()}


def redacted_values(value: Any, pattern: re.Pattern[str] | None) -> Any:
    """A JSON value with `***` where a secret stood in one of its texts."""
    if pattern is None:
        return value
    if isinstance(value, dict):
        return {pattern.sub("***", name): redacted_values(part, pattern) for name, part in value.items()}
    if isinstance(value, list):
        return [redacted_values(part, pattern) for part in value]
    return pattern.sub("***", value) if isinstance(value, str) else value
