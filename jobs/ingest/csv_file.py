"""Faults that make a whole CSV file unusable, found before any of its rows is believed."""

import codecs
import csv
import difflib
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from jobs.errors import MissingColumnError, SourceFileError
from jobs.ingest.landing import LandedFile

LONGEST_LINE_BYTES = 1 << 20
LARGEST_RATIO = 200
MOST_BLANK_LINES = 100_000


@dataclass(frozen=True)
class CheckedFile:
    """A file whose bytes and header are sound; `blank_lines` are the numbers of its empty lines."""

    name: str
    path: Path
    headers: tuple[str, ...]
    blank_lines: tuple[int, ...]


def check(file: LandedFile, wanted: Mapping[str, str]) -> CheckedFile:
    """Check bytes and header; `wanted` maps a column's name to the header it is read from."""
    headers: tuple[str, ...] = ()
    blank: list[int] = []
    rows = 0
    for number, line in enumerate(_lines(file), start=1):
        if number == 1:
            headers = _headers(file.name, line)
        elif line.strip(b"\r\n"):
            rows += 1
        else:
            blank.append(number)
        if len(blank) > MOST_BLANK_LINES:
            raise SourceFileError(f"{file.name} has more than {MOST_BLANK_LINES:,} blank lines: is it a CSV file?")
    if not headers:
        raise SourceFileError(f"{file.name} is empty: was it still being written? Put it into landing again")
    _all_there(file.name, headers, wanted)
    if not rows:
        raise SourceFileError(f"{file.name} has a header but no rows: check the export, then put the file there again")
    return CheckedFile(file.name, file.path, headers, tuple(blank))


def _lines(file: LandedFile) -> Iterator[bytes]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    with _opened(file) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            where = f"{file.name}, line {number}"
            if len(line) > LONGEST_LINE_BYTES:
                raise SourceFileError(f"{where}: longer than {LONGEST_LINE_BYTES:,} bytes; are its line ends right?")
            try:
                decode(line)
            except UnicodeDecodeError as error:
                raise SourceFileError(f"{where}: not UTF-8 at byte {error.start + 1}; save the file as UTF-8") from None
            if b"\0" in line:
                raise SourceFileError(f"{where}: a NUL byte; is this a CSV file in UTF-8?")
            yield line


def _opened(file: LandedFile) -> IO[bytes]:
    if file.path.suffix != ".gz":
        return file.path.open("rb")
    return cast(IO[bytes], _Bounded(file))


class _Bounded(io.BufferedReader):
    """A gzip stream that stops where it unpacks to far more than data does."""

    def __init__(self, file: LandedFile) -> None:
        self._left = file.path.stat().st_size * LARGEST_RATIO + LONGEST_LINE_BYTES
        self._name = file.name
        super().__init__(cast(io.RawIOBase, gzip.GzipFile(file.path)))

    def readline(self, size: int | None = -1, /) -> bytes:
        try:
            line = super().readline(size)
        except (OSError, EOFError) as error:
            raise SourceFileError(f"{self._name} is not a whole gzip file: put it there again ({error})") from error
        self._left -= len(line)
        if self._left < 0:
            raise SourceFileError(
                f"{self._name} unpacks to more than {LARGEST_RATIO} times its size: unpack it yourself"
            )
        return line


def _headers(name: str, line: bytes) -> tuple[str, ...]:
    try:
        headers = tuple(next(csv.reader([line.decode("utf-8-sig")], strict=True), ()))
    except csv.Error as error:
        raise SourceFileError(f"{name}: its header cannot be read as CSV ({error})") from error
    if not any(headers):
        raise SourceFileError(f"{name} has an empty first line: the first line must be the header")
    if len(headers) == 1:
        for other in ";\t|":
            if other in headers[0]:
                raise SourceFileError(f"{name}: the header is separated by {other!r}; write the file with commas")
    twice = sorted({header for header in headers if headers.count(header) > 1})
    if twice:
        raise SourceFileError(f"{name}: the header names {', '.join(map(repr, twice))} twice; rename or drop one")
    return headers


def _all_there(name: str, headers: tuple[str, ...], wanted: Mapping[str, str]) -> None:
    for column, header in wanted.items():
        if header not in headers:
            near = difflib.get_close_matches(header, headers, n=1, cutoff=0)
            raise MissingColumnError(
                f"{name} has no column {header!r}; the nearest header is {near[0]!r}. "
                f"Mend the file, or map it in the pipeline: columns: {column}: {{from: {near[0]}}}"
            )
