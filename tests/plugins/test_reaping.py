"""What the reaper takes and what it leaves, on a real engine; states of tasks are given as they would be told."""

import json
import time
from contextlib import suppress
from dataclasses import replace

import pytest
import small_images
from docker.errors import APIError, NotFound
from docker.types import Mount

from slipway import left_on_engine, reaper, reaping, settings
from slipway.container import Container
from slipway.pipelines import Pipeline
from slipway.reaper import Round
from slipway.reaping import Seen, Task

DEAF = ["python3", "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
GOES_ON = ["running", "queued", "scheduled", "up_for_retry", "up_for_reschedule", "restarting", "deferred", None]
OVER = ["success", "failed", "skipped", "upstream_failed", "removed"]
TASK = Task("bike.train", "manual__1", "train", "-1")


def told(state, name="train"):
    return lambda dag_id, run_id: {name: state}


def gone(dag_id, run_id):
    return {}


def away(dag_id, run_id):
    return None


def seen(status="running", age=1000.0, ran=1000.0, deadline=3600, task=TASK):
    return Seen("1", task, status, age, ran, deadline)


@pytest.mark.parametrize("state", GOES_ON)
def test_a_task_that_goes_on_keeps_its_container(state):
    assert reaping.why_container(seen(), told(state)) is None


@pytest.mark.parametrize("state", OVER)
def test_a_task_that_is_over_keeps_nothing(state):
    assert reaping.why_container(seen(), told(state)) == f"its task is {state}"
    assert reaping.why_volume(seen(age=0), told(state)) == f"its task is {state}"


def test_a_task_that_airflow_does_not_know_keeps_nothing():
    assert reaping.why_container(seen(), gone) == "its task is gone from Airflow"


def test_a_mapped_task_is_judged_by_its_own_state():
    second = TASK._replace(map_index="2")
    states = told("failed", "train_1")
    assert reaping.why_container(seen(task=TASK._replace(map_index="1")), states) == "its task is failed"
    assert reaping.over(second, lambda *_: {"train_1": "failed", "train_2": "running"}) is None


def test_an_airflow_that_is_away_leaves_the_deadline_alone_to_judge():
    assert reaping.why_container(seen(), away) is None
    assert reaping.why_container(seen(ran=3659.0), away) is None
    why = "it has run for 3661 s, and its deadline was 3600 s"
    assert reaping.why_container(seen(ran=3661.0), away) == why


def test_a_container_past_its_deadline_goes_while_its_task_runs_and_a_result_that_waits_stays():
    assert reaping.why_container(seen(ran=3661.0), told("running"))
    assert reaping.why_container(seen("exited", age=90_000.0, ran=None), told("up_for_retry")) is None


def test_a_container_that_somebody_fills_stays():
    assert reaping.why_container(seen("created", age=200.0, ran=None), gone) is None
    assert reaping.why_container(seen("created", age=400.0, ran=None), gone)


def test_what_explain_asks_a_job_is_no_task_and_ends_at_its_deadline():
    asking = TASK._replace(run_id="explain-12")
    assert reaping.why_container(seen(task=asking, ran=30.0, deadline=120), gone) is None
    assert reaping.why_container(seen(task=asking, ran=190.0, deadline=120), gone)


def test_a_volume_without_a_container_goes_after_some_minutes_whatever_its_task_does():
    assert reaping.why_volume(seen(age=200.0), told("running")) is None
    assert reaping.why_volume(seen(age=400.0), away) == "no container uses it"


@pytest.fixture(scope="module")
def engine():
    from slipway import engine

    with engine.connect() as client:
        yield client


@pytest.fixture
def deployed(monkeypatch):
    """A project of its own, of which nothing may be left."""
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 0.3)
    return replace(settings.read(), project=f"{settings.read().project}-reap", runtime="docker")


@pytest.fixture
def job(engine, deployed):
    """Makes containers as jobs have them; each with a volume."""
    made = []

    def make(task_id, words=("sleep", "600"), start=True, deadline=3600, **more):
        told = labels(deployed, task_id) | {"slipway.deadline_seconds": str(deadline)} | more
        mount = Mount(type="volume", target="/job", source=None, labels=told)
        limits = engine.create_host_config(mounts=[mount])
        made.append(engine.create_container(small_images.BASE, list(words), labels=told, host_config=limits)["Id"])
        if start:
            engine.start(made[-1])
        return made[-1]

    yield make
    for container in made:
        with suppress(NotFound):
            engine.remove_container(container, v=True, force=True)


def labels(deployed, task_id):
    named = {"dag_id": "bike.train", "run_id": "manual__1", "task_id": task_id, "map_index": "-1"}
    return {"slipway.project": deployed.project, **{f"slipway.{name}": value for name, value in named.items()}}


def left_of(engine, deployed):
    """IDs of all containers of the project, and names of its volumes."""
    mine = {"label": f"slipway.project={deployed.project}"}
    volumes = engine.volumes(filters=mine)["Volumes"] or []
    return {one["Id"] for one in engine.containers(all=True, filters=mine)}, {one["Name"] for one in volumes}


def reap(deployed, states, remove=True, pipelines=()):
    one, lines = Round(deployed, list(pipelines), states), []
    one.reap(lines.append, remove)
    return lines, one.faults


@pytest.mark.containers
def test_what_is_over_goes_with_its_volume_and_what_goes_on_stays(engine, deployed, job):
    paused, deaf, ended = job("paused"), job("deaf", DEAF), job("ended", ["true"])
    stays, waiting = job("stays"), job("waiting", ["true"])
    engine.pause(paused)
    engine.wait(ended)
    states = {"paused": "failed", "deaf": "success", "stays": "running", "waiting": "up_for_retry"}
    lines, faults = reap(deployed, lambda *_: states)
    assert (sorted(lines), faults) == (
        sorted(
            f"removed container {one[:12]} of bike.train, task {name} of manual__1: its task is {why}"
            for one, name, why in [
                (paused, "paused", "failed"),
                (deaf, "deaf", "success"),
                (ended, "ended", "gone from Airflow"),
            ]
        ),
        [],
    )
    containers, volumes = left_of(engine, deployed)
    assert (containers, len(volumes)) == ({stays, waiting}, 2)


@pytest.mark.containers
def test_a_dry_run_names_the_same_and_removes_nothing(engine, deployed, job):
    left = job("train")
    lines, faults = reap(deployed, told("failed"), remove=False)
    why = "its task is failed"
    assert (lines, faults) == (
        [f"would remove container {left[:12]} of bike.train, task train of manual__1: {why}"],
        [],
    )
    assert left_of(engine, deployed)[0] == {left}


@pytest.mark.containers
def test_a_task_that_comes_back_between_two_looks_keeps_its_container(engine, deployed, job):
    left, answers = job("train"), iter(["failed", "queued"])
    assert reap(deployed, lambda *_: {"train": next(answers)}) == ([], [])
    assert left_of(engine, deployed)[0] == {left}


@pytest.mark.containers
def test_a_container_past_its_deadline_goes_by_the_engines_clock(engine, deployed, job, monkeypatch):
    monkeypatch.setattr(reaping, "MARGIN_SECONDS", 0)
    late, kept = job("late", deadline=1), job("kept")
    time.sleep(1.5)
    ((task, _),) = left_on_engine.look(engine, deployed, away).late.items()
    assert task.task_id == "late"
    (line,), faults = reap(deployed, away)
    assert (line.startswith(f"removed container {late[:12]} of"), "its deadline was 1 s" in line, faults) == (
        True,
        True,
        [],
    )
    assert left_of(engine, deployed)[0] == {kept}


@pytest.mark.containers
def test_how_a_job_ended_that_nobody_has_collected_is_told(engine, deployed, job):
    ended, _ = job("train", ["sh", "-c", "echo the end; exit 3"], **{"slipway.job": "train"}), job("stays")
    engine.wait(ended)
    looked = left_on_engine.look(engine, deployed, away)
    ((task, found),) = looked.uncollected.items()
    assert (task.task_id, found.job, found.last) == ("train", "train", "the end\n")
    assert (found.ended.exit_code, found.ended.outputs_text, found.ended.out_of_memory) == (3, None, False)
    assert sorted(one.task_id for one in looked.kept) == ["stays", "train"]


@pytest.mark.containers
def test_a_container_that_can_not_be_read_keeps_nothing_else_from_being_looked_at(engine, deployed, job, monkeypatch):
    odd, left = job("odd", ["true"]), job("train")
    engine.wait(odd)

    def broken(self):
        raise APIError("no such disk")

    monkeypatch.setattr(Container, "outputs_text", broken)
    looked = left_on_engine.look(engine, deployed, lambda *_: {"odd": "failed", "train": "failed"})
    assert looked.uncollected == {}
    assert {one.what for one in looked.left} == {f"container {one[:12]}" for one in (odd, left)}


@pytest.mark.containers
def test_a_job_that_died_stays_until_mlflow_was_told(engine, deployed, job, airflow_db, monkeypatch):
    ended, left = job("ended", ["false"]), job("train")
    engine.wait(ended)
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", json.dumps({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}))
    states = {"ended": "failed", "train": "failed"}
    lines, faults = reap(deployed, lambda *_: states, pipelines=[Pipeline("bike", settings.ROOT, {})])
    assert [line.split()[2] for line in lines] == [left[:12]]
    assert "did not answer" in faults[0]
    monkeypatch.setenv("AIRFLOW_VAR_SLIPWAY_ENV", "{}")
    lines, faults = reap(deployed, lambda *_: states, pipelines=[Pipeline("bike", settings.ROOT, {})])
    assert ([line.split()[2] for line in lines], faults) == ([ended[:12]], [])


@pytest.mark.containers
def test_a_container_that_was_only_made_is_left_to_who_fills_it(engine, deployed, job, monkeypatch):
    made = job("train", start=False)
    assert reap(deployed, gone) == ([], [])
    monkeypatch.setattr(reaping, "FRESH_SECONDS", 0)
    lines, _ = reap(deployed, gone)
    assert [line.split()[2] for line in lines] == [made[:12]]
    assert left_of(engine, deployed) == (set(), set())


@pytest.mark.containers
def test_a_volume_that_lost_its_container_goes_and_one_in_use_stays(engine, deployed, job):
    running, lost = job("stays"), job("lost")
    used = left_of(engine, deployed)[1]
    engine.remove_container(lost, force=True)
    lines, _ = reap(deployed, lambda *_: {"stays": "running", "lost": "failed"})
    assert [line.split()[1] for line in lines] == ["volume"]
    containers, volumes = left_of(engine, deployed)
    assert (containers, len(used), len(volumes)) == ({running}, 2, 1)


@pytest.mark.containers
def test_what_is_no_jobs_or_another_projects_is_never_looked_at(engine, deployed, job):
    other = job("train", **{"slipway.project": f"{deployed.project}-other"})
    service = engine.create_volume(labels={"slipway.project": deployed.project})["Name"]
    try:
        assert reap(deployed, gone) == ([], [])
        assert engine.inspect_container(other)["State"]["Running"]
        assert left_of(engine, deployed) == (set(), {service})
    finally:
        engine.remove_volume(service)


@pytest.mark.containers
def test_an_engine_that_can_not_be_asked_is_told_and_the_others_are_reaped(engine, deployed, job, airflow_db):
    left = job("train")
    elsewhere = Pipeline("far", settings.ROOT, {"docker_conn_id": "nowhere"})
    lines, (fault,) = reap(deployed, told("failed"), pipelines=[elsewhere])
    assert [line.split()[2] for line in lines] == [left[:12]]
    assert "'nowhere' of the pipeline's docker_conn_id is not there" in fault


@pytest.mark.containers
def test_a_thing_that_goes_meanwhile_is_no_fault(engine, deployed, job):
    left = job("train")
    (found,) = left_on_engine.look(engine, deployed, told("failed")).left
    engine.remove_container(left, v=True, force=True)
    found.remove()


def test_the_process_runtime_has_no_engine(deployed, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    assert reap(replace(deployed, runtime="process"), gone) == ([], [])
    (fault,) = reap(deployed, gone)[1]
    assert "no Docker engine answers" in fault
