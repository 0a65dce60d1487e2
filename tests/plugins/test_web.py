"""The plugin's pages: whom they let in, and where they lead, with a real MLflow behind them."""

import asyncio
import json
import warnings

import httpx
import pytest

from slipway import mlflow_rest

PLACES = {"dag_id": "bike_demand.train", "run_id": "manual__2026-11-21T03:45:00+00:00", "task_id": "train"}
TASK = "/mlflow/{dag_id}/{run_id}/{task_id}/-1".format(**PLACES)


@pytest.fixture(scope="module")
def app(airflow_db):
    """The plugin's app, and Airflow's simple auth manager that guards it."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of these tests alone, as long as SHA-512 wants it to be"
        )
        # Airflow 3.3 itself imports the client that starlette has deprecated.
        warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")
        from airflow.api_fastapi.app import create_auth_manager

        create_auth_manager()
        from slipway import web

        yield web.app


@pytest.fixture
def visit(app):
    """Asks for a page as somebody with this role, or as nobody."""

    def ask(path, role="nobody", method="GET"):
        headers = {} if role == "nobody" else {"Authorization": f"Bearer {token(role)}"}

        async def answered():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(answered())

    return ask


def token(role):
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))


@pytest.fixture
def told(monkeypatch):
    """Sets the Variable with the jobs' environment."""

    def tell(**values):
        monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps(values))

    return tell


def pages(app):
    return [route.path.format(**PLACES, map_index=-1) for route in app.routes]


def test_these_are_all_pages_and_none_describes_the_others(app):
    assert sorted(route.path for route in app.routes) == [
        "/mlflow/{dag_id}",
        "/mlflow/{dag_id}/model",
        "/mlflow/{dag_id}/{run_id}/{task_id}/{map_index}",
    ]


def test_no_page_lets_anybody_in_without_a_login(app, visit):
    assert {path: visit(path).status_code for path in pages(app)} == dict.fromkeys(pages(app), 401)


def test_no_page_lets_somebody_in_who_may_not_read_the_dag(app, visit):
    assert {path: visit(path, role=None).status_code for path in pages(app)} == dict.fromkeys(pages(app), 403)


def test_a_task_leads_to_its_run_at_the_public_address(visit, told, mlflow):
    told(MLFLOW_TRACKING_URI=mlflow, MLFLOW_PUBLIC_URL="https://ml.example/flow/")
    run = tracked(mlflow, **PLACES, map_index="-1")
    answer = visit(TASK, role="viewer")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        f"https://ml.example/flow/#/experiments/0/runs/{run}",
    )


def tracked(mlflow, **names):
    tags = [{"key": f"slipway.{name}", "value": value} for name, value in names.items()]
    body = {"experiment_id": "0", "tags": tags}
    return mlflow_rest.ask(mlflow, "POST", "/api/2.0/mlflow/runs/create", json=body)["run"]["info"]["run_id"]


def test_where_the_jobs_address_is_no_address_here_the_public_one_is_asked(visit, told, mlflow):
    told(MLFLOW_TRACKING_URI="http://mlflow.invalid:5000", MLFLOW_PUBLIC_URL=mlflow)
    answer = visit("/mlflow/bike_demand.train/other/train/-1", role="viewer")
    assert (answer.status_code, answer.headers["refresh"]) == (202, "5")
    assert "bike_demand.train, task train, has no MLflow run yet" in answer.text


def test_a_dag_leads_to_its_pipelines_experiment_and_model(visit, told, mlflow):
    told(MLFLOW_TRACKING_URI=mlflow)
    path = "/api/2.0/mlflow/experiments/create"
    made = mlflow_rest.ask(mlflow, "POST", path, json={"name": "bike_demand"})["experiment_id"]
    leads = [visit(f"/mlflow/bike_demand.train{more}", role="viewer").headers["location"] for more in ("", "/model")]
    assert leads == [f"{mlflow}/#/experiments/{made}/runs", f"{mlflow}/#/models/bike_demand"]


def test_an_mlflow_that_is_away_is_one_line(visit, told):
    told(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    answer = visit(TASK, role="viewer")
    assert answer.status_code == 503
    assert "MLflow at http://127.0.0.1:9 did not answer" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("address", ["", "javascript:alert(1)", "sqlite:///mlflow.db"])
def test_an_address_that_no_browser_should_follow_is_refused(visit, told, address):
    told(MLFLOW_TRACKING_URI=address)
    answer = visit("/mlflow/bike_demand.train/model", role="viewer")
    assert (answer.status_code, "Airflow Variable slipway_env gives no http address" in answer.text) == (503, True)


@pytest.mark.parametrize("name", ["tr'ain", "tr%27ain", "a%20b", "a`b", "<b>"])
def test_a_quote_never_reaches_mlflows_filter_language(visit, told, name):
    told(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert visit(f"/mlflow/bike_demand.train/manual__1/{name}/-1", role="viewer").status_code == 422
    assert visit(f"/mlflow/{name}/model", role="viewer").status_code == 422
