"""Which MLflow a DAG's pages ask, and as whom."""

import json

import httpx
import pytest

from slipway import settings, tracking_address
from slipway.errors import TrackingAwayError


def authorization(secrets):
    """What a server is told by a client with these secrets."""
    seen = httpx.MockTransport(lambda request: httpx.Response(200, text=request.headers.get("authorization", "")))
    with httpx.Client(transport=seen, auth=tracking_address.login(secrets)) as client:
        return client.get("http://mlflow").text


def test_a_user_and_a_password_are_sent_as_mlflows_client_sends_them():
    given = {"MLFLOW_TRACKING_USERNAME": "jobs", "MLFLOW_TRACKING_PASSWORD": "p:ß"}
    assert authorization(given) == "Basic am9iczpwOsOf"


def test_a_token_is_sent_where_there_is_no_user():
    assert authorization({"MLFLOW_TRACKING_TOKEN": "t0k"}) == "Bearer t0k"
    assert authorization({}) == ""


@pytest.fixture
def team(tmp_path, monkeypatch):
    """A pipeline of a team that has a Variable of its own."""
    text = (settings.ROOT / "dags" / "pipelines" / "breast_cancer.yaml").read_text()
    (tmp_path / "tumours.yaml").write_text(text.replace("\nowner:", "\nenv_variable: team_env\nowner:", 1))
    monkeypatch.setenv("SLIPWAY_PIPELINES", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_VAR_TEAM_ENV", json.dumps({"MLFLOW_TRACKING_URI": "http://team:5000"}))
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"MLFLOW_TRACKING_URI": "http://all:5000"}))


def test_a_pipelines_own_variable_says_where_its_mlflow_is(team, airflow_db):
    assert tracking_address.of("tumours.train").inner == "http://team:5000"


@pytest.mark.parametrize("dag_id", ["bike_demand.train", "a_dag_of_my_own", "unknown.train"])
def test_every_other_dag_has_the_deployments_mlflow(team, airflow_db, dag_id):
    assert tracking_address.of(dag_id).inner == "http://all:5000"


def test_one_address_is_asked_once():
    asked = []

    def away(url):
        asked.append(url)
        raise TrackingAwayError(url)

    with pytest.raises(TrackingAwayError):
        tracking_address.Tracking("http://a", "http://a", None).ask(away)
    assert asked == ["http://a"]
