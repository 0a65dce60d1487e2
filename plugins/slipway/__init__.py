"""Slipway: Airflow DAGs that run versioned, dockerised ML jobs."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version

AIRFLOW = (3, 3)
PYTHON = (3, 11)


def installed(*distributions: str) -> str:
    """The version of the first of these that is installed; empty where none is."""
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def unmet() -> str:
    """What this environment lacks for Slipway, in one line; empty where it has all."""
    airflow = installed("apache-airflow-core", "apache-airflow")
    if tuple(map(int, re.findall(r"\d+", airflow)[:2])) < AIRFLOW:
        return f"Slipway needs Airflow 3.3 or newer, this is {airflow or 'no Airflow'}"
    if sys.version_info[:2] < PYTHON:
        return f"Slipway needs Python 3.11 or newer, this is {sys.version.split()[0]}"
    if not installed("apache-airflow-providers-docker"):
        return "Slipway needs the package apache-airflow-providers-docker beside Airflow, and there is none"
    return ""


# Here rather than at the first import that fails: every DAG file and plugin then says the same one thing.
if fault := unmet():
    raise ImportError(fault)
