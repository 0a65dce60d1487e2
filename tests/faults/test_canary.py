"""Secrets of several lengths and characters, looked for in every place where a run leaves something."""

import base64
import json
from urllib.parse import quote

import pytest
from faults.test_workers import running

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("nothing_left")]
SECRETS = {
    "PROBE_SHORT": "Zq9%",
    "PROBE_LONG": "k7%Q\"w'xV\nT3%s mN8\\yB{0}uH2$z&pL5;rC9^gF",
    "PROBE_KEY": "canary-7f3a'\"%s",
}


@pytest.fixture(scope="module")
def more_settings():
    return {"AIRFLOW_VAR_SLIPWAY_SECRETS": json.dumps(SECRETS)}


def written(secret):
    """All ways in which a program would write a secret."""
    texts = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""), quote(secret)}
    texts |= {piece for piece in secret.splitlines() if len(piece) >= 4}
    return {text.encode() for text in texts} | {base64.b64encode(secret.encode())}


def hits(places):
    """`place: secret` for each that holds one, in whatever writing."""
    forms = {name: written(secret) for name, secret in SECRETS.items()}
    return [f"{place}: {name}" for place, held in places for name, texts in forms.items() if holds(held, texts)]


def holds(held, texts):
    return any(text in held for text in texts)


def files(folder):
    return [(str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file()]


def asked(airflow, run):
    """What Airflow's API tells of the run: instance with its rendered fields, XComs, log, and the DAG's code."""
    task = f"/dags/probe.probe/dagRuns/{run}/taskInstances/probe"
    keys = [one["key"] for one in airflow.api.get(f"{task}/xcomEntries").json()["xcom_entries"]]
    paths = [task, f"{task}/logs/1", "/dagSources/probe.probe", *(f"{task}/xcomEntries/{key}" for key in keys)]
    return [(path, airflow.api.get(path).raise_for_status().content) for path in paths]


def test_the_long_canary_has_all_that_is_hard():
    assert len(SECRETS["PROBE_LONG"]) == 40
    assert len(SECRETS["PROBE_SHORT"]) == 4


def test_no_place_holds_a_secret(airflow, mlflow, client, probe_image):
    slow = airflow.trigger("sleeps 5")
    container = running(airflow, client, slow)
    places = [("docker inspect", json.dumps(client.inspect_container(container)).encode())]
    others = [airflow.trigger(ends) for ends in ("done", "bad data", "unclosed", "nothing to do")]
    for run in [slow, *others]:
        airflow.ended(run)
        places += asked(airflow, run)
    assert sorted(airflow.result(slow)["seen"]["secrets"]) == sorted(SECRETS)
    places.append(("image history", json.dumps(client.history(probe_image)).encode()))
    places += [*files(airflow.state), *files(mlflow.folder)]
    said = b"".join(held for place, held in places if "task_id=probe" in place)
    assert b"probe runs sleeps 5 ***" in said
    print(f"{len(places)} places, {sum(len(held) for _, held in places):,} bytes")
    assert len(mlflow.runs("probe", task_id="probe")) == 5
    assert hits(places) == []
