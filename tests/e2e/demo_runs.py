"""Runs `slipway demo` as a person would, in a deployment of its own, and reads what it prints."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from slipway import container, engine, image_refs, settings

SLIPWAY = Path(sys.executable).with_name("slipway")
CANARY = "canary-demo-93b1"
NOWHERE = "unix:///nowhere/docker.sock"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


class Deployment:
    """A state folder, a project name and a port of its own; `--volumes` at the end takes all of it away."""

    def __init__(self, state, name, **settings):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        self.state = state
        self.environment = {
            **kept,
            "SLIPWAY_STATE": str(state),
            "SLIPWAY_PROJECT": f"slipway-{name}-{os.getpid()}",
            "MLFLOW_PORT": free_port(),
            "AIRFLOW_VAR_SLIPWAY_SECRETS": json.dumps({"AWS_SECRET_ACCESS_KEY": CANARY}),
            **settings,
        }
        self.project = self.environment["SLIPWAY_PROJECT"]
        self.mlflow = f"http://127.0.0.1:{self.environment['MLFLOW_PORT']}"

    def slipway(self, *words, **extra):
        """What the command printed, and how it ended."""
        return subprocess.run(
            [SLIPWAY, *words], env={**self.environment, **extra}, capture_output=True, text=True, check=False
        )

    def demo(self, pipeline):
        done = self.slipway("demo", pipeline)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def logs(self):
        return "".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.state.glob("logs/demo-*.log")))

    def down(self):
        assert self.slipway("stop", "--volumes").returncode == 0


def content(text):
    """The content hash of the raw table."""
    return re.search(r"raw version \d+ \(content (\w+)\)", text)[1]


def counts(text):
    """Every count of the report, by task and name."""
    found = {}
    for task, line in re.findall(r"^  (ingest|train|promote|predict): (.*)$", text, re.MULTILINE):
        found |= {f"{task}.{name}": int(count) for count, name in re.findall(r"(\d+) (\w+)(?=[,;]|$)", line)}
    return found


def errors(text, metric):
    """The first measure of each candidate and baseline on the held-out part, by name."""
    table = text[text.index("on the held-out part") :].split("\n\n")[0].splitlines()
    assert table[0].split("on the held-out part")[1].split()[0] == metric
    rows = (re.match(r"\s+(\w+)(?: \(baseline\))?\s+([\d.e+-]+)", row) for row in table[1:])
    return {row[1]: float(row[2]) for row in rows if row}


def runs(deployment, pipeline="bike_demand"):
    """All that MLflow knows of the runs of a pipeline."""
    ask = httpx.Client(base_url=f"{deployment.mlflow}/api/2.0/mlflow")
    found = ask.get("/experiments/get-by-name", params={"experiment_name": pipeline}).json()
    search = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 1000}
    return ask.post("/runs/search", json=search).json()["runs"]


def tag_of(run, name):
    return next((tag["value"] for tag in run["data"]["tags"] if tag["key"] == name), None)


def first_run(deployment, job, pipeline="bike_demand"):
    """The ID of the first run of a job."""
    found = [run for run in runs(deployment, pipeline) if tag_of(run, "slipway.job") == job]
    return min(found, key=lambda run: run["info"]["start_time"])["info"]["run_id"]


def artifacts(deployment, folder):
    """Every file that MLflow's artifact store holds, with its content; those of models are among them."""
    root = f"{deployment.mlflow}/api/2.0/mlflow-artifacts/artifacts"
    for one in httpx.get(root, params={"path": folder}).raise_for_status().json().get("files", []):
        path = f"{folder}/{one['path']}".lstrip("/")
        if one.get("is_dir"):
            yield from artifacts(deployment, path)
        else:
            yield path, httpx.get(f"{root}/{path}").raise_for_status().content


def in_lake(deployment, folder):
    """What a folder of the lake's volume holds, listed by a container of the job image."""
    command = ["python", "-c", f"import os; print(*os.listdir('/lake/{folder}'), sep='\\n')"]
    with engine.connect() as client:
        mount = container.lake_mount(f"{deployment.project}-lake")
        image = image_refs.built_here(settings.ROOT / "images")["data"]
        made = client.create_container(image, command, host_config=client.create_host_config(mounts=[mount]))
        try:
            client.start(made)
            assert client.wait(made)["StatusCode"] == 0
            return client.logs(made).decode().split()
        finally:
            client.remove_container(made, force=True)


def aliases(deployment):
    """Each alias of bike_demand's model, with its version."""
    path = f"{deployment.mlflow}/api/2.0/mlflow/registered-models/get"
    found = httpx.get(path, params={"name": "bike_demand"}).json()["registered_model"]["aliases"]
    return {held["alias"]: held["version"] for held in found}
