"""The secrets beside the inputs: handed to the libraries, and kept out of what a job says."""

import logging
import os
from pathlib import Path

from jobs import job_file

_values: set[str] = set()


def hand_over(inputs: Path, job: str) -> None:
    """Put the secrets that the job's job.yaml lists where boto3, deltalake and mlflow look for them."""
    named = job_file.read(job)["secrets"]
    _values.clear()
    for path in (inputs.absolute().parent.parent / "secrets").glob("*"):
        value = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if value:
            _values.add(value)
        if path.name in named and path.is_file():
            os.environ[path.name] = value


def redacted(text: str) -> str:
    """The text with *** in the place of each secret's value."""
    # The longest first, because one secret may be part of another.
    for value in sorted(_values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


class RedactingFormatter(logging.Formatter):
    """Also libraries' lines and tracebacks go through here."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
