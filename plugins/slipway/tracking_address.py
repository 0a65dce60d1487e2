"""Where the MLflow of a DAG is, for a program and for a person, and the login that it asks a program for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from slipway import job_inputs, settings
from slipway.errors import SettingsError, TrackingAwayError
from slipway.mlflow_rest import Login
from slipway.pipelines import Pipeline, load_all

Answer = TypeVar("Answer")
HELD = {"env_variable": job_inputs.ENV_VARIABLE, "secrets_variable": job_inputs.SECRETS_VARIABLE}


@dataclass(frozen=True)
class Tracking:
    """One MLflow; `inner` is the address that jobs use, `public` the one that people use."""

    inner: str
    public: str
    login: Login

    def ask(self, question: Callable[[str], Answer]) -> Answer:
        """The answer from the inner address, else from the public one: an api-server may stand on either side.

        Raises TrackingAwayError when neither answers.
        """
        try:
            return question(self.inner)
        except TrackingAwayError:
            if self.public == self.inner:
                raise
            return question(self.public)


def of(dag_id: str) -> Tracking:
    """The MLflow that this DAG's jobs are told of, by the Variables that its pipeline's YAML names.

    Raises SettingsError when they don't say where it is.
    """
    return by_variables(variables(dag_id.rpartition(".")[0]))


def of_pipeline(pipeline: Pipeline) -> Tracking | None:
    """The same for a pipeline; None where its jobs are told of no MLflow that is asked over http."""
    names = {kind: pipeline.keys.get(kind, name) for kind, name in HELD.items()}
    inner = job_inputs.variable(names["env_variable"]).get("MLFLOW_TRACKING_URI", "")
    return by_variables(names) if inner.startswith("http") else None


def by_variables(names: dict[str, str]) -> Tracking:
    shared, secrets = (job_inputs.variable(names[kind]) for kind in HELD)
    inner = shared.get("MLFLOW_TRACKING_URI", "").rstrip("/")
    public = shared.get("MLFLOW_PUBLIC_URL", "").rstrip("/") or inner
    for address in (inner, public):
        if not address.startswith(("http://", "https://")):
            raise SettingsError(
                f"Airflow Variable {names['env_variable']} gives no http address of MLflow, but {address!r}:"
                " set MLFLOW_TRACKING_URI, and MLFLOW_PUBLIC_URL where people use another one"
            )
    return Tracking(inner, public, login(secrets))


def variables(pipeline: str) -> dict[str, str]:
    """The Variables of a pipeline; those of the deployment for a DAG that no YAML made."""
    found = next((known for known in load_all(settings.read()) if known.name == pipeline), None)
    return {kind: found.keys.get(kind, name) if isinstance(found, Pipeline) else name for kind, name in HELD.items()}


def login(secrets: dict[str, str]) -> Login:
    """The login that MLflow's own client would take from these secrets."""
    user, password = (secrets.get(f"MLFLOW_TRACKING_{part}", "") for part in ("USERNAME", "PASSWORD"))
    if user and password:
        return user, password
    token = secrets.get("MLFLOW_TRACKING_TOKEN")

    def bearing(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return bearing if token else None
