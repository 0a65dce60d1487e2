"""What a running stack does, asked the way that people and jobs ask."""

import json
from pathlib import Path

import docker
import httpx

from slipway import mlflow_rest
from slipway.stack import compose, containers, objects, starting, store_probe
from slipway.stack.checks import SKEW_SECONDS, Finding
from slipway.stack.stack import Stack

EXPECTED = {
    "slipway_env": {"LAKE_URI", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL", "AWS_REGION"},
    "slipway_secrets": {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
    },
}
TIMEOUT_SECONDS = 15.0


def service(client: docker.APIClient, found: containers.Service) -> Finding:
    if found.ready:
        return Finding("ok", found.word)
    said = containers.last_words(client, found)
    return Finding("fail", f"{found.word}: {said} (`docker logs {found.container}`, then `make up`)")


def mlflow(deployed: Stack) -> Finding:
    """The jobs' login is let in, and nobody without one."""
    refused = [user for user in ("admin", "jobs") if not mlflow_rest.answers(deployed.mlflow_url, deployed.login(user))]
    if refused:
        return Finding(
            "fail", f"{deployed.mlflow_url} does not let {' and '.join(refused)} in: `make up` sets passwords"
        )
    if mlflow_rest.answers(deployed.mlflow_url):
        return Finding("fail", f"{deployed.mlflow_url} answers without a login: stop it with `make down`")
    return Finding("ok", f"{deployed.mlflow_url} lets admin and jobs in, and nobody without a login")


def store(deployed: Stack) -> Finding:
    """An object goes in and comes back with the bucket's key, from where jobs are."""
    composed = compose.of(deployed, starting.known(deployed.settings))
    program = Path(store_probe.__file__).read_text(encoding="utf-8")
    said = composed.run("the store refuses", *objects.CONTAINER, "-c", program)
    skew = float(said.split()[-1])
    if abs(skew) > SKEW_SECONDS:
        return Finding("fail", f"the store's clock is {skew:+.0f} s from the engine's: let both follow a time server")
    where = deployed.value("S3_ENDPOINT_URL") or "its own store"
    return Finding(
        "ok", f"put, get and remove work in bucket {deployed.value('S3_BUCKET')} of {where}, clock {skew:+.0f} s"
    )


def variables(deployed: Stack) -> Finding:
    """What jobs are told stands in Airflow, as JSON, with the names that they need."""
    with httpx.Client(base_url=deployed.airflow_url, timeout=TIMEOUT_SECONDS, trust_env=False) as asked:
        login = {"username": "admin", "password": deployed.value("AIRFLOW_ADMIN_PASSWORD")}
        token = asked.post("/auth/token", json=login)
        if not token.is_success:
            return Finding("fail", f"{deployed.airflow_url} does not let admin in ({token.status_code}): `make up`")
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        faults = [fault for name in EXPECTED if (fault := variable_fault(asked, headers, name))]
    if faults:
        return Finding("fail", f"{'; '.join(faults)}: `make up` writes them")
    return Finding("ok", f"{' and '.join(EXPECTED)} are there, as JSON")


def variable_fault(asked: httpx.Client, headers: dict[str, str], name: str) -> str:
    answer = asked.get(f"/api/v2/variables/{name}", headers=headers)
    if not answer.is_success:
        return f"Variable {name} is not there ({answer.status_code})"
    try:
        value = answer.json()["value"]
        held = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return f"Variable {name} is no JSON"
    # Values of names like these are masked by the API, and may hide the object as a whole.
    absent = sorted(EXPECTED[name] - set(held)) if isinstance(held, dict) else []
    return f"Variable {name} lacks {', '.join(absent)}" if absent else ""
