"""What a try finds of the tries before it, and what becomes of a container when its task is asked to end."""

import json
import time
from types import SimpleNamespace

import pytest
from probe_runs import Instance, Store, context, of_the_probe, probe_task
from probe_tries import Try, deserted

from slipway import container, image_refs, left_behind, settings
from slipway.contracts import Limits
from slipway.ended import Ended
from slipway.errors import EngineAwayError
from slipway.failures import DeadlineError, JobKilledError, JobLostError, NoImageError, WorkerStopsError
from slipway.task_memory import TaskMemory

pytestmark = pytest.mark.containers


def test_a_worker_that_stops_leaves_the_job_and_the_next_try_takes_it_over(in_docker, client):
    store = Store()
    deserted("sleeps 4", store)
    (before,) = of_the_probe(client)
    second = Try("sleeps 4", Instance(store=store)).began()
    assert of_the_probe(client) == [before]
    assert second.ended()["seen"]["inputs"]["run"]["try_number"] == 1
    assert [line for line in second.task.lines if line.startswith("probe runs")] == ["probe runs sleeps 4 ***"]
    assert sorted(store) == ["slipway_image"]


def test_a_try_that_died_before_it_noted_its_container_is_found_by_its_labels(in_docker, client):
    store = Store()
    deserted("sleeps 3", store)
    (before,) = of_the_probe(client)
    second = Try("sleeps 3", Instance(store=Store()))
    assert second.ended()["seen"]["inputs"]["run"]["try_number"] == 1
    assert f"taking over container {before[:12]} of an older try: it runs" in second.task.lines


def test_a_job_that_ended_meanwhile_is_collected_and_not_run_again(in_docker, client):
    store = Store()
    deserted("sleeps 1", store)
    (before,) = of_the_probe(client)
    client.wait(before)
    collected = Try("sleeps 1", Instance(store=store)).ended()
    assert (collected["seen"]["inputs"]["run"]["try_number"], collected["closed"]) == (1, True)


def test_a_job_that_failed_meanwhile_is_removed_and_run_again(in_docker, client):
    store = Store()
    deserted("sleeps 60", store)
    (before,) = of_the_probe(client)
    client.kill(before)
    second = Try("done", Instance(store=store))
    assert second.ended()["seen"]["inputs"]["run"]["try_number"] == 2
    assert f"removing container {before[:12]} that an older try of this task left" in second.task.lines


def test_a_result_that_was_collected_but_never_reported_is_not_made_again(in_docker, client):
    store = Store()
    TaskMemory(store).keep_result(Ended(0, json.dumps({"status": "done", "closed": True})))
    second = Try("done", Instance(store=store))
    assert (second.ended()["status"], second.task.lines) == ("done", [])
    assert "slipway_result" not in store


def by_its_parent(task):
    task.supervisor = 0


def by_its_log(task):
    """As a dead supervisor does it: the log breaks first, and the parent is another one only then."""

    def broken(line):
        task.supervisor = 0
        raise BrokenPipeError(line)

    task.follower.log = broken


@pytest.mark.parametrize("heard", [by_its_parent, by_its_log])
def test_a_task_whose_supervisor_died_leaves_its_container(in_docker, client, heard):
    left = Try("counts 600", Instance(store=Store())).began()
    heard(left.task)
    came = left.ended()
    assert type(came) is WorkerStopsError
    assert "supervisor is gone" in str(came)
    (found,) = of_the_probe(client)
    assert client.inspect_container(found)["State"]["Running"]
    client.remove_container(found, v=True, force=True)


class Deaf(Store):
    """What an orphan finds of Airflow: the other end of its socket is closed."""

    def get(self, key):
        raise EOFError("Request socket closed before length")


def test_an_orphan_that_cannot_ask_airflow_leaves_the_result_to_the_next_try(in_docker, client):
    store = Store()
    first = Try("sleeps 2", Instance(try_number=1, store=store)).began()
    first.task.memory.store = Deaf()
    assert "a newer try of this task has taken over" in str(first.ended())
    assert Try("sleeps 2", Instance(store=store)).ended()["seen"]["inputs"]["run"]["try_number"] == 1


@pytest.mark.parametrize("state", ["running", "up_for_retry", "queued", RuntimeError("no answer")])
def test_a_task_that_goes_on_leaves_its_container_when_the_worker_stops(in_docker, client, state):
    deserted("sleeps 60", Store(), state)
    (left,) = of_the_probe(client)
    assert client.inspect_container(left)["State"]["Running"]
    client.remove_container(left, v=True, force=True)


def test_the_last_try_of_a_worker_that_stops_leaves_no_job_that_nobody_would_take_over(in_docker, client):
    instance = Instance(try_number=4, store=Store())
    came = Try("sleeps", instance).began().told()
    assert (type(came), of_the_probe(client)) == (JobKilledError, [])
    assert "no try is left to take the job over" in str(came)


@pytest.mark.parametrize("ends", ["sleeps", "ignores"])
@pytest.mark.parametrize(
    ("state", "says"),
    [("failed", "set to failed in Airflow"), ("success", "set to success"), (None, "DAG run deleted")],
)
def test_a_task_that_is_over_ends_its_container_within_seconds(in_docker, client, ends, state, says):
    running = Try(ends, Instance(store=Store(), state=state)).began()
    asked = time.monotonic()
    came = running.told()
    assert time.monotonic() - asked < 5
    assert type(came) is JobKilledError
    assert says in str(came)
    assert of_the_probe(client) == []


def test_a_job_that_is_paused_for_long_counts_as_lost_and_goes(in_docker, client, monkeypatch):
    monkeypatch.setenv("SLIPWAY_LOST_SECONDS", "2")
    running = Try("sleeps", Instance(store=Store())).began()
    client.pause(of_the_probe(client)[0])
    came = running.ended()
    assert type(came) is JobLostError
    assert "it has been paused for" in str(came)
    assert of_the_probe(client) == []


def test_a_container_that_somebody_removed_is_lost_and_said_so(in_docker, client):
    running = Try("sleeps", Instance(store=Store())).began()
    client.remove_container(of_the_probe(client)[0], v=True, force=True)
    # It is seen dead for a moment before it is gone.
    assert type(running.ended()) in (JobLostError, JobKilledError)


def test_the_time_of_a_container_goes_on_through_tries(in_docker, client):
    store = Store()
    deserted("sleeps", store)
    time.sleep(4)
    started = time.monotonic()
    came = Try("sleeps", Instance(store=store), timeout_seconds=5).ended()
    assert type(came) is DeadlineError
    assert time.monotonic() - started < 5


def test_the_engine_holds_one_container_for_a_task_instance_at_a_time(in_docker, client, probe_image):
    task = probe_task()
    request = task.request(context("done", Instance()), {})
    limits = Limits(64 * 2**20, 1, 60)
    first = container.create(client, probe_image, request, task.contract, limits)
    with pytest.raises(EngineAwayError, match="already in use"):
        container.create(client, probe_image, request, task.contract, limits)
    assert left_behind.status(first) == "useless"
    first.remove()


def test_an_older_try_that_wakes_up_neither_takes_the_result_nor_removes_it(in_docker, client):
    store = Store()
    first = Try("sleeps 3", Instance(try_number=1, store=store)).began()
    # Airflow answers an older try as if nothing were there.
    first.task.memory.store = Store()
    assert "a newer try of this task has taken over" in str(first.ended())
    assert Try("sleeps 3", Instance(store=store)).ended()["seen"]["inputs"]["run"]["try_number"] == 1


def test_all_tries_keep_the_image_that_the_first_began_with(in_docker, client, tmp_path):
    store = Store()
    assert Try("done", Instance(store=store)).ended()["status"] == "done"
    kept = store["slipway_image"]["reference"]
    (tmp_path / "images.local.json").write_text(json.dumps({"data": "sha256:" + "0" * 64}))
    assert Try("done", Instance(store=store)).ended()["seen"]["inputs"]["image"]["id"] == kept
    store["slipway_image"]["reference"] = "sha256:" + "1" * 64
    came = Try("done", Instance(store=store)).ended()
    assert type(came) is NoImageError
    assert str(came).endswith("this DAG run began with it; a new DAG run takes today's image")
    assert image_refs.resolve("data", settings.read().images).reference == "sha256:" + "0" * 64


def test_a_log_that_breaks_off_goes_on_where_it_was(in_docker, client):
    running = Try("counts 40", Instance(store=Store())).began()
    time.sleep(0.5)
    running.task.follower.tails[0].attached.close()
    assert running.ended()["status"] == "done"
    assert [line for line in running.task.lines if line.isdigit()] == [str(number) for number in range(40)]


def test_the_last_lines_are_told_again_where_a_job_fails(in_docker, monkeypatch):
    errors = []
    task = probe_task()
    log = SimpleNamespace(info=lambda *_: None, warning=lambda *_: None, debug=lambda *_: None)
    log.error = lambda text, count, lines: errors.append(lines)
    monkeypatch.setattr(type(task), "log", log)
    with pytest.raises(Exception, match="no column"):
        task.execute(context("bad data", Instance()))
    assert errors == ["probe runs bad data ***"]


def test_a_receipt_says_what_a_run_cost(in_docker):
    outputs = Try("sleeps 1", Instance(store=Store())).ended()
    receipts = outputs["receipts"]
    assert 1 <= receipts["run_seconds"] < 10
    assert receipts["peak_memory_bytes"] > 2**20
    assert {"start_seconds", "collect_seconds", "cpu_seconds"} <= receipts.keys()
