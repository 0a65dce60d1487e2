"""Lines out of a stream of bytes, with known secrets taken out."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

# A shorter piece of a secret that holds newlines would blank innocent text all over the log.
SHORTEST_PIECE = 4


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines, as they come; characters that a chunk's end cuts in two are put together again."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = re.split(r"\r\n|\n|\r", rest + decoder.decode(chunk))
        yield from whole
    if rest := rest + decoder.decode(b"", final=True):
        yield rest


def redactor(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of all secrets, longest first: as they are, as JSON writes them, and line by line."""
    values = {value for value in secrets if value}
    pieces = {piece for value in values for piece in value.splitlines() if len(piece) >= SHORTEST_PIECE}
    written = {json.dumps(value)[1:-1] for value in values}
    ordered = sorted(values | pieces | written, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def redacted(text: Iterable[str], secrets: Iterable[str]) -> Iterator[str]:
    """The same lines with `***` where a secret stood."""
    pattern = redactor(secrets)
    yield from text if pattern is None else (pattern.sub("***", line) for line in text)


def redacted_values(value: Any, pattern: re.Pattern[str] | None) -> Any:
    """A JSON value with `***` where a secret stood in one of its texts."""
    if pattern is None:
        return value
    if isinstance(value, dict):
        return {name: redacted_values(part, pattern) for name, part in value.items()}
    if isinstance(value, list):
        return [redacted_values(part, pattern) for part in value]
    return pattern.sub("***", value) if isinstance(value, str) else value
