"""Airflow's and MLflow's pages as a person sees them, in a real browser.

SLIPWAY_PICTURES names a folder that keeps what was seen.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright import sync_api
from stack.checkout import wait_for
from stack.journey import QUIET, Site, Visitor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.containers,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: apt-get install chromium"),
]
ENDED = ("success", "failed")


@pytest.fixture(scope="module")
def site(stack, chain):
    """The stack, with the logins that it made for itself."""
    address = "http://127.0.0.1:{}".format
    login = ("admin", stack.secrets["MLFLOW_ADMIN_PASSWORD"])
    return Site(
        address(stack.airflow_port),
        address(stack.mlflow_port),
        stack.secrets["AIRFLOW_ADMIN_PASSWORD"],
        mlflow_login=login,
    )


@pytest.fixture(scope="module")
def airflow(stack):
    """A client of the stack's REST API."""
    with stack.airflow as client:
        yield client


@pytest.fixture(scope="module")
def visitor(site, tmp_path_factory):
    pictures = Path(os.environ.get("SLIPWAY_PICTURES") or tmp_path_factory.mktemp("pictures"))
    # Chromium's own sandbox needs what root in a container has not.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=options)
        context = browser.new_context(**site.context())
        context.add_init_script(QUIET)
        context.set_default_timeout(30_000)
        sync_api.expect.set_options(timeout=30_000)
        visitor = Visitor(context.new_page(), site, pictures)
        visitor.log_in()
        yield visitor
        browser.close()


def run_of(airflow, dag, **form):
    """A run by hand, once it has ended."""
    wait_for(lambda: airflow.get(f"/dags/{dag}").status_code == 200, 60)
    airflow.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
    asked = airflow.post(f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": form})
    path = f"/dags/{dag}/dagRuns/{asked.json()['dag_run_id']}"
    return wait_for(lambda: next((run for run in [airflow.get(path).json()] if run["state"] in ENDED), None), 300)


def test_a_person_trains_from_the_form_and_arrives_at_the_run_and_the_champion(airflow, visitor):
    visitor.see_dags()
    visitor.read_the_docs()
    run = visitor.trigger()
    visitor.see_it_green(run)
    visitor.follow_the_button(run)
    visitor.see_the_run()
    visitor.see_the_champion()


def test_a_failed_task_leads_to_its_failed_run(airflow, visitor):
    run = run_of(airflow, "bike_demand.predict", model="999")
    assert run["state"] == "failed"
    visitor.follow_the_button(run["dag_run_id"], "predict", "bike_demand.predict", "failed-task")
    sync_api.expect(visitor.page.get_by_text("has no version 999").first).to_be_visible()
