"""A job's own job.yaml, read as cheaply as can be: every run of a job begins with it."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

JOBS = Path(__file__).parent
# Python's own parser takes eight times as long, and not every PyYAML is built with the other.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def read(job: str) -> dict[str, Any]:
    """What `<job>/job.yaml` says."""
    text = (JOBS / job / "job.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are safe ones
    return found
