"""What Slipway asks of MLflow, over REST with the HTTP client that Airflow brings."""

from collections.abc import Callable
from typing import Any

import httpx

from slipway.errors import TrackingAwayError, UnknownRunError

# A user with a password, or what puts a token on a request; None for a server without a login.
Login = tuple[str, str] | Callable[[httpx.Request], httpx.Request] | None
INPUTS = "slipway/inputs.json"
LOGIN_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def client(url: str, timeout_seconds: float = 20.0, login: Login = None) -> httpx.Client:
    """A client of one MLflow; proxies of the environment are for other addresses than this one."""
    timeout = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 3.0))
    # Reading the authorities takes longer than most answers, and plain http has no use for them.
    verify = url.startswith("https://")
    return httpx.Client(base_url=url, timeout=timeout, trust_env=False, auth=login, verify=verify)


def answers(url: str, login: Login = None) -> bool:
    """Whether the API is up; `/health` says yes before the database is."""
    try:
        with client(url, 3.0, login) as asked:
            return asked.get("/api/2.0/mlflow/experiments/search", params={"max_results": 1}).is_success
    except httpx.HTTPError:
        return False


def refused_login(url: str, status_code: int) -> str:
    return (
        f"MLflow at {url} refuses the login ({status_code}): correct MLFLOW_TRACKING_USERNAME and"
        " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the Airflow Variable with the secrets"
    )


def ask(url: str, method: str, path: str, login: Login = None, **options: Any) -> Any:
    """The JSON that MLflow answers, or None where it knows no such thing.

    Raises TrackingAwayError when it doesn't answer, or answers that it can't.
    """
    try:
        with client(url, login=login) as asked:
            response = asked.request(method, path, **options)
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if response.status_code in LOGIN_REFUSED:
                raise TrackingAwayError(refused_login(url, response.status_code))
            return response.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise TrackingAwayError(
            f"MLflow at {url} did not answer ({error}): start it with `make mlflow`, or the stack with `make up`"
        ) from error


def inputs_of(url: str, run: str, login: Login = None) -> dict[str, Any]:
    """The inputs.json that the job of one MLflow run was given.

    Raises UnknownRunError when there is no such run, or it holds none.
    """
    if ask(url, "GET", "/api/2.0/mlflow/runs/get", login, params={"run_id": run}) is None:
        raise UnknownRunError(f"MLflow at {url} has no run {run!r}: copy the run's ID from its page")
    inputs = artifact_of(url, run, INPUTS, login)
    if inputs is None:
        raise UnknownRunError(f"run {run} holds no {INPUTS}: it was not started by a Slipway job")
    return inputs


def artifact_of(url: str, run: str, path: str, login: Login = None) -> dict[str, Any] | None:
    """A JSON file of a run; None where it has none of that name."""
    # The REST API lists artifacts but has no download by run; this is the route of MLflow's own pages.
    found: dict[str, Any] | None = ask(url, "GET", "/get-artifact", login, params={"path": path, "run_uuid": run})
    return found


def end_tagged(url: str, tags: dict[str, str], login: Login = None) -> None:
    """Set the runs with these tags that still run to FAILED."""
    for run in runs_tagged(url, tags, login):
        if run["info"]["status"] == "RUNNING":
            ended = {"run_id": run["info"]["run_id"], "status": "FAILED"}
            ask(url, "POST", "/api/2.0/mlflow/runs/update", login, json=ended)


def runs_tagged(url: str, tags: dict[str, str], login: Login = None) -> list[dict[str, Any]]:
    """Runs of all experiments that carry all of these tags, newest first; values hold no quote."""
    path = "/api/2.0/mlflow/experiments/search"
    answer = ask(url, "GET", path, login, params={"max_results": 1000})
    if answer is None:
        raise TrackingAwayError(f"what answers at {url} is no MLflow: correct MLFLOW_TRACKING_URI")
    experiments = answer.get("experiments", [])
    # MLflow refuses to search in none.
    if not experiments:
        return []
    found = ask(
        url,
        "POST",
        "/api/2.0/mlflow/runs/search",
        login,
        json={
            "experiment_ids": [experiment["experiment_id"] for experiment in experiments],
            "filter": " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()),
            "max_results": 20,
        },
    )
    runs: list[dict[str, Any]] = (found or {}).get("runs", [])
    return runs


def experiment_id(url: str, name: str, login: Login = None) -> str | None:
    """The experiment of that name; None where there is none."""
    path = "/api/2.0/mlflow/experiments/get-by-name"
    found = ask(url, "GET", path, login, params={"experiment_name": name})
    return found and str(found["experiment"]["experiment_id"])


def champion(url: str, model: str) -> dict[str, Any] | None:
    """The version of a registered model that holds the alias champion, with its tags; None where none does."""
    registered = ask(url, "GET", "/api/2.0/mlflow/registered-models/get", params={"name": model})
    aliases = (registered or {}).get("registered_model", {}).get("aliases", [])
    version = next((held["version"] for held in aliases if held["alias"] == "champion"), None)
    if version is None:
        return None
    told = ask(url, "GET", "/api/2.0/mlflow/model-versions/get", params={"name": model, "version": version})
    tags = {tag["key"]: tag["value"] for tag in told["model_version"].get("tags", [])}
    return {"version": version, "tags": tags}
