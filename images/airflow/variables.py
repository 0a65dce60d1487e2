"""The two Variables that tell jobs where the stack's services are; what people added to them stays."""

import json
import os
from typing import Any

from airflow.models import Variable
from airflow.utils.session import create_session
from sqlalchemy import select

DESCRIPTIONS = {
    "slipway_env": "Environment of every job, as far as its job.yaml allows; make up keeps the stack's own names",
    "slipway_secrets": "Secrets of every job, given to it as files; make up keeps the stack's own names",
}


class LostKeyError(Exception):
    """The database was encrypted with a key that the environment does not have."""


def keep() -> None:
    """Write a Variable only where a name of ours is missing or other than the environment says."""
    for name, ours in {"slipway_env": addresses(), "slipway_secrets": secrets()}.items():
        there = held(name)
        if {**there, **ours} != there:
            text = json.dumps({**there, **ours}, indent=2)
            Variable.set(name, text, description=DESCRIPTIONS[name])  # noqa: AIR311 - no task runs here, so no SDK


def held(name: str) -> dict[str, Any]:
    """Raises LostKeyError rather than write over what only another key opens."""
    with create_session() as session:
        row = session.scalar(select(Variable).where(Variable.key == name))  # noqa: AIR311 - as above
        text = "{}" if row is None else row.val
    if text is None:
        raise LostKeyError(
            f"Airflow's Variable {name} was encrypted with another AIRFLOW_FERNET_KEY than that of .env:"
            " put the former one back there (a backup holds it)"
        )
    try:
        found = json.loads(text)
    except ValueError:
        # Nothing could read it, jobs neither.
        return {}
    return found if isinstance(found, dict) else {}


def addresses() -> dict[str, str]:
    """Where the services are, as job containers see them; MLFLOW_PUBLIC_URL is where people's browsers do."""
    given = os.environ
    return {
        "LAKE_URI": f"s3://{given['S3_BUCKET']}/lake",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "MLFLOW_PUBLIC_URL": given["MLFLOW_PUBLIC_URL"],
        "AWS_ENDPOINT_URL": given["S3_ENDPOINT_URL"],
        "AWS_REGION": given["S3_REGION"],
    }


def secrets() -> dict[str, str]:
    given = os.environ
    return {
        "AWS_ACCESS_KEY_ID": given["S3_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": given["S3_SECRET_KEY"],
        "MLFLOW_TRACKING_USERNAME": "jobs",
        "MLFLOW_TRACKING_PASSWORD": given["MLFLOW_JOBS_PASSWORD"],
    }
