"""What a person does: from Airflow's login over the trigger form to the run in MLflow and the champion's page."""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

DAG = "bike_demand.train"
# What MLflow opens over its pages at a first visit.
QUIET = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
"""


@dataclass
class Site:
    """An Airflow and its MLflow, and the logins that they ask for."""

    airflow: str
    mlflow: str
    password: str
    user: str = "admin"
    mlflow_login: tuple[str, str] | None = None

    def context(self) -> dict[str, object]:
        """Options of a browser's context; MLflow's login is a window of the browser's own."""
        wide = {"viewport": {"width": 1400, "height": 900}}
        if not self.mlflow_login:
            return wide
        user, password = self.mlflow_login
        return wide | {"http_credentials": {"username": user, "password": password, "origin": self.mlflow}}


@dataclass
class Visitor:
    """Somebody at the browser, who takes pictures of what is seen."""

    page: Page
    site: Site
    pictures: Path

    def open(self, path: str) -> None:
        self.page.goto(self.site.airflow + path)

    def picture(self, name: str) -> None:
        # Pages fade in, and MLflow fills its own one by one.
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=self.pictures / f"{name}.png", animations="disabled")

    def log_in(self) -> None:
        self.open("/")
        self.page.get_by_label("Username").fill(self.site.user)
        self.page.locator("input[type=password]").fill(self.site.password)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("link", name="Dags").first).to_be_visible()

    def see_dags(self) -> None:
        self.open("/dags")
        expect(self.page.get_by_text(DAG)).to_be_visible()
        self.picture("dag-list")

    def read_the_docs(self) -> None:
        self.open(f"/dags/{DAG}")
        self.page.get_by_role("button", name="Dag Docs").click()
        for fact in ("Safe to rerun", "hist_gradient_boosting, random_forest, ridge", "bike_demand.yaml"):
            expect(self.page.get_by_role("dialog")).to_contain_text(fact)
        self.picture("dag-docs")
        self.page.keyboard.press("Escape")

    def trigger(self) -> str:
        """Fill in the form and send it; the new run's ID."""
        self.open(f"/dags/{DAG}")
        self.page.get_by_role("button", name="Trigger").first.click()
        form = self.page.get_by_role("dialog")
        for role, title in (("checkbox", "Force"), ("spinbutton", "Data version"), ("combobox", "Promote")):
            expect(form.get_by_role(role, name=title)).to_be_attached()
        expect(form.get_by_text("Which of the pipeline's candidates compete.")).to_be_visible()
        # By its key: the box itself lies hidden under what is drawn for it.
        form.get_by_role("checkbox", name="Force").press("Space")
        expect(form.get_by_role("checkbox", name="Force")).to_be_checked()
        self.picture("trigger-form")
        form.get_by_role("button", name="Limits of this run").click()
        form.get_by_role("spinbutton", name="Memory in MiB").fill("1500")
        with self.page.expect_response(re.compile(r"/dagRuns$")) as answer:
            form.get_by_role("button", name="Trigger").click()
        made = answer.value.json()
        assert made["conf"] | {"force": True, "memory_mib": 1500} == made["conf"]
        return made["dag_run_id"]

    def see_it_green(self, run: str) -> None:
        state = f"{self.site.airflow}/api/v2/dags/{DAG}/dagRuns/{run}"
        for _ in range(300):
            if (found := self.page.request.get(state).json()["state"]) in ("success", "failed"):
                break
            self.page.wait_for_timeout(1000)
        assert found == "success"
        self.open(f"/dags/{DAG}/runs/{run}")
        expect(self.page.get_by_text("Success", exact=True).first).to_be_visible()
        self.picture("green-run")

    def follow_the_button(self, run: str, task: str = "train", dag: str = DAG, picture: str = "task") -> None:
        self.open(f"/dags/{dag}/runs/{run}/tasks/{task}/details")
        expect(self.page.get_by_role("link", name="MLflow run")).to_be_visible()
        self.picture(picture)
        self.page.get_by_role("link", name="MLflow run").click()
        self.page.wait_for_url(re.compile(re.escape(self.site.mlflow) + r"/#/experiments/\d+/runs/\w{32}"))

    def see_the_run(self) -> None:
        expect(self.page.get_by_role("heading", name=re.compile(r"train \d{4}-"))).to_be_visible()
        expect(self.page.get_by_role("link", name=f"run of {DAG}")).to_be_visible()
        self.picture("mlflow-run")

    def see_the_champion(self) -> None:
        self.open(f"/slipway/mlflow/{DAG}/model")
        row = self.page.get_by_role("row").filter(has_text="champion")
        row.get_by_role("link", name=re.compile(r"Version \d+")).click()
        for fact in ("Figures on the held-out rows", "hour_of_week (baseline)", "Content hash", "Champion since"):
            expect(self.page.get_by_text(fact).first).to_be_visible()
        self.picture("model-version")
