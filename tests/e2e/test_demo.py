"""The main job, run as the README says: in containers, again, and where no engine answers."""

import json
import threading
from contextlib import suppress

import httpx
import pytest
from demo_runs import (
    CANARY,
    NOWHERE,
    Deployment,
    aliases,
    artifacts,
    content,
    counts,
    errors,
    first_run,
    in_lake,
    runs,
    tag_of,
)
from docker.errors import NotFound

from slipway import engine

METRIC = "mean_absolute_error"
EACH_DAG_RUN = [
    ("bike_demand.ingest", ["ingest"]),
    ("bike_demand.predict", ["predict"]),
    ("bike_demand.train", ["promote", "train"]),
]


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
def first(containers, inspected):
    """The first demo's report; what the engine showed of its containers meanwhile goes to `inspected`."""
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(containers.project, over, inspected))
    watcher.start()
    try:
        return containers.demo("bike_demand")
    finally:
        over.set()
        watcher.join()


@pytest.fixture(scope="module")
def inspected():
    """What `docker inspect` says, by job."""
    return {}


def watch(project, over, found):
    """Inspect the project's job containers until it is over, each as long as it is there."""
    mine = {"label": [f"slipway.project={project}", "slipway.job"]}
    with engine.connect() as client:
        while not over.wait(0.1):
            for one in client.containers(all=True, filters=mine):
                with suppress(NotFound):
                    found[one["Labels"]["slipway.job"]] = client.inspect_container(one["Id"])


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
    idle = [line.split()[0] for line in second.splitlines() if ": unchanged: the same image, parameters" in line]
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
def test_no_artifact_in_mlflow_holds_the_secret(containers, first):
    held = dict(artifacts(containers, ""))
    assert {"inputs.json", "outputs.json", "MLmodel"} <= {path.rsplit("/", 1)[1] for path in held}
    assert [path for path, content in held.items() if CANARY.encode() in content] == []


@pytest.mark.containers
def test_docker_inspect_shows_no_secret_of_a_job_that_runs(first, inspected):
    assert sorted(inspected) == ["ingest", "predict", "promote", "train"]
    assert CANARY not in json.dumps(inspected)


@pytest.mark.containers
def test_nothing_but_mlflow_is_left_running(containers, first):
    client = engine.connect()
    mine = {"label": f"slipway.project={containers.project}"}
    left = [found["Names"] for found in client.containers(all=True, filters=mine)]
    client.close()
    assert left == [[f"/{containers.project}-mlflow"]]


@pytest.mark.containers
def test_each_container_is_one_run_under_its_dag_run(containers, first):
    found = [run for run in runs(containers) if not tag_of(run, "slipway.replay_of")]
    tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in found]
    parents = {run["info"]["run_id"]: tag for run, tag in zip(found, tags, strict=True) if "slipway.parent" in tag}
    children = {parent: [] for parent in parents}
    for tag in tags:
        if "slipway.parent" not in tag:
            parent = tag["mlflow.parentRunId"]
            assert (tag["slipway.dag_id"], tag["slipway.run_id"]) == dag_run(parents[parent])
            children[parent].append(tag["slipway.job"])
    told = sorted((parents[parent]["slipway.dag_id"], sorted(jobs)) for parent, jobs in children.items())
    # Tests before this one may have run the DAGs again: one parent for each DAG run, however many there were.
    runs_of = len({dag_run(tag) for tag in parents.values()}) // 3
    assert told == sorted(EACH_DAG_RUN * runs_of)
    assert len(parents) == 3 * runs_of >= 3
    assert {run["info"]["status"] for run in runs(containers)} == {"FINISHED"}


def dag_run(tags):
    return tags["slipway.dag_id"], tags["slipway.run_id"]


@pytest.mark.containers
def test_what_a_past_run_was_given_is_printed(containers, first):
    train = next(run for run in runs(containers) if tag_of(run, "slipway.job") == "train")
    done = containers.slipway("inputs", train["info"]["run_id"])
    assert json.loads(done.stdout)["parameters"]["target"] == "demand"


SAME = {
    "ingest": ["raw, content", "count rows", "count days", "count changed_days", "count quarantined", "count files"],
    "train": ["raw, version", "raw, content", "count rows", "count train_rows", "count test_rows", "metrics"],
    "predict": ["predictions, content", "raw, version", "model version", "count rows", "count days"],
}


@pytest.mark.containers
@pytest.mark.parametrize("job", SAME)
def test_a_replay_comes_out_as_the_run_did_and_leaves_nothing(containers, first, job):
    run = first_run(containers, job)
    done = containers.slipway("replay", run)
    assert done.returncode == 0, done.stdout + done.stderr
    *table, verdict = done.stdout.splitlines()
    assert [line.split("|")[0].strip() for line in table] == ["what", *SAME[job]]
    assert [line.split("|")[-1].strip() for line in table] == ["same?", *["yes"] * len(SAME[job])]
    assert verdict.startswith("the same as then, in ")
    replay = next(one for one in runs(containers) if one["info"]["run_id"] == verdict.split()[-1])
    assert (tag_of(replay, "slipway.replay_of"), tag_of(replay, "slipway.dag_id")) == (run, None)
    assert CANARY not in done.stdout + done.stderr
    assert in_lake(containers, "replays") == []
    assert aliases(containers) == {"champion": "1", "challenger": "1"}


@pytest.mark.containers
def test_a_promote_is_not_replayed_and_the_line_says_why(containers, first):
    run = first_run(containers, "promote")
    done = containers.slipway("replay", run)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.startswith(f"slipway: run {run} is one of promote, which can't be replayed: it only moves")


def test_a_replay_that_comes_out_otherwise_says_what_differs(processes, bare):
    run = first_run(processes, "predict")
    past = next(one for one in runs(processes) if one["info"]["run_id"] == run)
    path = f"{past['info']['artifact_uri'].removeprefix('mlflow-artifacts:')}/slipway/outputs.json"
    address = f"{processes.mlflow}/api/2.0/mlflow-artifacts/artifacts{path}"
    then = httpx.get(address).json()
    forged = then | {"counts": then["counts"] | {"rows": 3527}}
    httpx.put(address, content=json.dumps(forged)).raise_for_status()
    done = processes.slipway("replay", run, "--keep")
    httpx.put(address, content=json.dumps(then)).raise_for_status()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "count rows           | 3,527        | 3,528        | NO" in done.stdout.splitlines()
    assert "\ndiffers: count rows, in " in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"kept {processes.state}/lake/replays/")
    assert len(list((processes.state / "lake" / "replays").iterdir())) == 1


def test_a_replay_without_what_it_read_fails_with_the_jobs_line(processes, bare):
    raw = processes.state / "lake" / "bike_demand" / "raw"
    raw.rename(raw.with_name("away"))
    try:
        done = processes.slipway("replay", first_run(processes, "train"))
    finally:
        raw.with_name("away").rename(raw)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("slipway: the replay failed: train: bad data: the table bike_demand/raw is gone")


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


@pytest.mark.containers
@pytest.mark.parametrize("kind", ["ingest", "train", "predict"])
@pytest.mark.parametrize("pipeline", ["bike_demand", "breast_cancer"])
def test_each_dag_runs_under_airflows_own_test_command(containers, second, pipeline, kind):
    done = containers.slipway("airflow", "dags", "test", f"{pipeline}.{kind}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert CANARY not in done.stdout + done.stderr


def test_an_unknown_pipeline_is_one_clear_line(processes):
    done = processes.slipway("demo", "bike_demnd")
    assert (done.returncode, "did you mean 'bike_demand'?" in done.stderr) == (64, True)
