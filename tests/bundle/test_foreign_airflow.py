"""A plain Airflow of another team's, with the bundle mounted and an MLflow that wants a token."""

import json
import os
import secrets
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from docker.errors import NotFound
from standalone import end, free_port, reached, wait_for
from test_standalone import ended_runs, outputs, predicted, states

from slipway import cli, engine, image_refs, settings

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]
PROJECT = f"slipway-foreign-{os.getpid()}"
TOKEN = secrets.token_hex(12)
GATE = Path(__file__).with_name("token_gate.py")
UV = settings.ROOT / ".venv" / "bin" / "uv"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with Airflow and the docker provider, at this lock's versions, and nothing of ours."""
    folder = tmp_path_factory.mktemp("plain")
    lock = (settings.ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.rstrip(" \\") for line in lock if line[:1].isalnum()]
    (folder / "pins.txt").write_text("\n".join(pins))
    wanted = [
        pin.split(" ")[0] for pin in pins if pin.startswith(("apache-airflow==", "apache-airflow-providers-docker=="))
    ]
    assert len(wanted) == 2
    subprocess.run([UV, "venv", "--quiet", folder / "venv"], check=True)
    install = [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "venv" / "bin" / "python"]
    subprocess.run([*install, "--constraint", folder / "pins.txt", *wanted], check=True)
    return folder / "venv"


@pytest.fixture(scope="module")
def mounted(tmp_path_factory, job_images):
    """The bundle's zip unpacked, its two folders in places that have nothing to do with each other."""
    folder = tmp_path_factory.mktemp("mounted")
    assert cli.main(["bundle", str(folder / "dist"), "--local"]) == 0
    with zipfile.ZipFile(next((folder / "dist").glob("*.zip"))) as archive:
        archive.extractall(folder)
    bundle = next(folder.glob("slipway-*"))
    (folder / "theirs").mkdir()
    return (bundle / "dags").rename(folder / "theirs" / "dags"), (bundle / "plugins").rename(folder / "plugins")


@pytest.fixture(scope="module")
def gate(job_images):
    """MLflow in one container, and in another the only way to it; the address on loopback."""
    image, port = image_refs.built_here(settings.ROOT / "images")["mlflow"], free_port()
    with engine.connect() as client:
        network = client.create_network(PROJECT)["Id"]
        run(client, image, "mlflow", None, {})
        command = ["python", "-c", GATE.read_text(), TOKEN, "mlflow", "5000"]
        run(client, image, "gate", command, {8080: ("127.0.0.1", port)})
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}"), 120)
            yield f"http://127.0.0.1:{port}"
        finally:
            for name in ("mlflow", "gate"):
                client.remove_container(f"{PROJECT}-{name}", v=True, force=True)
            client.remove_network(network)


def answers(gate):
    """Whether MLflow is there for who shows the token."""
    with suppress(httpx.HTTPError):
        asked = "/api/2.0/mlflow/experiments/search?max_results=1"
        return httpx.get(gate + asked, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    return False


def run(client, image, name, command, bindings):
    endpoint = client.create_endpoint_config(aliases=[name])
    container = client.create_container(
        image,
        command,
        name=f"{PROJECT}-{name}",
        ports=list(bindings),
        host_config=client.create_host_config(port_bindings=bindings),
        networking_config=client.create_networking_config({PROJECT: endpoint}),
    )
    client.start(container)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, environment, mounted, gate):
    """A client of their Airflow, whose Variables say where MLflow and the lake are."""
    state, port = tmp_path_factory.mktemp("foreign"), free_port()
    lake = state / "lake"
    lake.mkdir()
    # The job's user is another one than who runs this test.
    lake.chmod(0o777)
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "DOCKER_HOST") if name in os.environ}
    told = {
        **kept,
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(state / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(mounted[0]),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(mounted[1]),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "SLIPWAY_PROJECT": PROJECT,
        "SLIPWAY_LAKE_VOLUME": str(lake),
    }
    with (state / "standalone.log").open("wb") as log:
        server = subprocess.Popen(
            [environment / "bin" / "airflow", "standalone"], env=told, stdout=log, stderr=log, start_new_session=True
        )
    try:
        client = reached(f"http://localhost:{port}", gate, state).airflow
        shared = {"LAKE_URI": "/lake", "MLFLOW_TRACKING_URI": "http://gate:8080", "MLFLOW_PUBLIC_URL": gate}
        variables = {"slipway_env": shared, "slipway_secrets": {"MLFLOW_TRACKING_TOKEN": TOKEN}}
        for name, values in variables.items():
            client.post("/variables", json={"key": name, "value": json.dumps(values)}).raise_for_status()
        yield client
    finally:
        end(server)
        left = remove_jobs()
    assert left == []


def remove_jobs():
    with engine.connect() as client:
        found = client.containers(all=True, filters={"label": f"slipway.project={PROJECT}"})
        for container in found:
            try:
                client.remove_container(container["Id"], v=True, force=True)
            except NotFound:
                continue
        return [container["Names"] for container in found]


def test_the_bundle_is_mounted_without_an_import_error(airflow):
    # Three of each pipeline, and the reaper.
    wait_for(lambda: airflow.get("/dags").json()["total_entries"] == 7, 60)
    assert airflow.get("/importErrors").json()["total_entries"] == 0
    assert airflow.get("/plugins/importErrors").json()["total_entries"] == 0
    assert [plugin["name"] for plugin in airflow.get("/plugins").json()["plugins"] if "slipway" in plugin["name"]] == [
        "slipway"
    ]


def test_their_mlflow_refuses_who_shows_no_token(gate):
    assert httpx.get(f"{gate}/api/2.0/mlflow/experiments/search?max_results=1").status_code == 401


def test_ingest_to_predict_is_green_with_an_mlflow_that_wants_a_token(airflow, gate):
    for kind in ("ingest", "train", "predict"):
        assert airflow.patch(f"/dags/bike_demand.{kind}", json={"is_paused": False}).status_code == 200
    form = {"start": "2024-01-01", "end": "2024-03-31"}
    asked = airflow.post("/dags/bike_demand.ingest/dagRuns", json={"logical_date": None, "conf": form})
    assert asked.status_code == 200, asked.text
    runs = ended_runs(airflow, "bike_demand.ingest", 2)
    by_hand = next(run for run in runs if run["run_type"] == "manual")
    assert outputs(airflow, by_hand, "ingest")["counts"]["days"] == 91
    train = ended_runs(airflow, "bike_demand.train", 1)[0]
    assert states(airflow, train) == {"train": "success", "promote": "success"}
    wait_for(lambda: "success" in predicted(airflow), 240)
    held = httpx.get(
        f"{gate}/api/2.0/mlflow/registered-models/get?name=bike_demand", headers={"Authorization": f"Bearer {TOKEN}"}
    ).json()
    assert [alias["alias"] for alias in held["registered_model"]["aliases"] if alias["alias"] == "champion"] == [
        "champion"
    ]


def test_no_log_of_theirs_holds_the_token(airflow, tmp_path_factory):
    state = next(tmp_path_factory.getbasetemp().glob("foreign*"))
    logs = [path for path in state.rglob("*.log") if path.is_file()]
    assert len(logs) > 4
    assert [str(path) for path in logs if TOKEN.encode() in path.read_bytes()] == []
