"""The main job, run as the README says: in containers, again, and where no engine answers."""

import json

import httpx
import pytest
from demo_runs import CANARY, NOWHERE, Deployment, content, counts, errors

from slipway import engine

METRIC = "mean_absolute_error"


@pytest.fixture(scope="module")
def containers(tmp_path_factory, job_images):
    deployment = Deployment(tmp_path_factory.mktemp("containers"), "demo", SLIPWAY_RUNTIME="docker")
    yield deployment
    deployment.down()


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("processes"), "bare", DOCKER_HOST=NOWHERE)
    yield deployment
    deployment.down()


@pytest.fixture(scope="module")
def first(containers):
    return containers.demo("bike_demand")


@pytest.fixture(scope="module")
def second(containers, first):
    return containers.demo("bike_demand")


@pytest.fixture(scope="module")
def bare(processes):
    return processes.demo("bike_demand")


@pytest.mark.containers
def test_the_demo_tells_what_it_did_and_in_which_images(first):
    told = counts(first)
    assert first.splitlines()[0].startswith("runtime: docker (engine ")
    assert (told["ingest.rows"], told["ingest.days"]) == (731 * 24, 731)
    assert told["predict.days"] == 147
    assert "champion: version 1 (hist_gradient_boosting trained on raw@v1, mean_absolute_error 2" in first
    jobs = [line.split() for line in first.splitlines() if "sha256:" in line]
    assert [(job[0], job[-3]) for job in jobs] == [
        ("ingest", "data"),
        ("train", "model"),
        ("promote", "model"),
        ("predict", "model"),
    ]


@pytest.mark.containers
def test_a_candidate_beats_every_baseline(first):
    told = errors(first, METRIC)
    assert sorted(told) == ["hist_gradient_boosting", "hour_of_week", "mean", "random_forest", "ridge"]
    assert min(told, key=told.get) in ("hist_gradient_boosting", "random_forest")


@pytest.mark.containers
def test_a_second_demo_changes_nothing_and_says_so(first, second):
    idle = [line.split()[0] for line in second.splitlines() if ": nothing to do: " in line]
    assert idle == ["ingest:", "train:", "promote:", "predict:"]


@pytest.mark.containers
def test_a_second_demo_leaves_the_same_content(containers, first, second):
    assert content(first) == content(second)


@pytest.mark.containers
def test_no_log_and_no_run_of_the_demo_holds_the_secret(containers, first):
    files = [path for path in containers.state.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [str(path) for path in files if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in json.dumps(runs(containers))


@pytest.mark.containers
def test_nothing_but_mlflow_is_left_running(containers, first):
    client = engine.connect()
    mine = {"label": f"slipway.project={containers.project}"}
    left = [found["Names"] for found in client.containers(all=True, filters=mine)]
    client.close()
    assert left == [[f"/{containers.project}-mlflow"]]


def runs(deployment):
    """All that MLflow knows of the runs of bike_demand."""
    ask = httpx.Client(base_url=f"{deployment.mlflow}/api/2.0/mlflow")
    found = ask.get("/experiments/get-by-name", params={"experiment_name": "bike_demand"}).json()
    search = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 1000}
    return ask.post("/runs/search", json=search).json()["runs"]


@pytest.mark.containers
def test_each_container_is_one_run_under_its_dag_run(containers, first):
    tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in runs(containers)]
    jobs = sorted(tag["slipway.job"] for tag in tags if "slipway.job" in tag and "mlflow.parentRunId" in tag)
    assert {job: jobs.count(job) for job in jobs} == {"ingest": 1, "predict": 1, "promote": 1, "train": 1} or len(
        jobs
    ) == 8
    assert {run["info"]["status"] for run in runs(containers)} == {"FINISHED"}


@pytest.mark.containers
def test_what_a_past_run_was_given_is_printed(containers, first):
    train = next(run for run in runs(containers) if tag_of(run, "slipway.job") == "train")
    done = containers.slipway("inputs", train["info"]["run_id"])
    assert json.loads(done.stdout)["parameters"]["target"] == "demand"


def tag_of(run, name):
    return next((tag["value"] for tag in run["data"]["tags"] if tag["key"] == name), None)


def test_without_an_engine_the_first_line_says_so(bare):
    assert bare.splitlines()[0] == f"runtime: process, because no Docker engine answers at {NOWHERE}"


@pytest.mark.containers
def test_processes_count_the_same_as_containers(first, bare):
    assert counts(bare) == counts(first)
    assert content(bare) == content(first)


@pytest.mark.containers
def test_processes_measure_the_same_within_one_percent(first, bare):
    assert errors(bare, METRIC) == pytest.approx(errors(first, METRIC), rel=0.01)


@pytest.mark.containers
def test_docker_that_was_asked_for_and_is_away_is_one_clear_line(containers):
    done = containers.slipway("demo", "bike_demand", DOCKER_HOST=NOWHERE)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith(f"slipway: no Docker engine answers at {NOWHERE}: start it")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.containers
def test_another_pipeline_goes_through_by_name(containers):
    text = containers.demo("breast_cancer")
    assert counts(text)["ingest.rows"] == 569
    assert "champion: version 1 (" in text


def test_an_unknown_pipeline_is_one_clear_line(processes):
    done = processes.slipway("demo", "bike_demnd")
    assert (done.returncode, "did you mean 'bike_demand'?" in done.stderr) == (64, True)
