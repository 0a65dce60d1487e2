"""What the lake holds when writers are paused, resumed too late, or killed in the middle."""

import os
import random
import threading
import time
import uuid
from contextlib import suppress

import pytest
from docker.errors import APIError
from e2e.demo_runs import Deployment
from faults.writers import HOURS, Writers, logged

pytestmark = pytest.mark.containers
PAUSED_ROUNDS = int(os.environ.get("SLIPWAY_FAULT_PAUSED", "2"))
KILLED_ROUNDS = int(os.environ.get("SLIPWAY_FAULT_KILLED", "3"))
DAYS = 40


@pytest.fixture(scope="module")
def lake(tmp_path_factory, job_images):
    """A folder that any user may write in, and an MLflow on the project's network; both known to this process."""
    folder = tmp_path_factory.mktemp("lake")
    folder.chmod(0o777)
    folder.parent.chmod(0o755)
    deployment = Deployment(tmp_path_factory.mktemp("state"), "writers", SLIPWAY_RUNTIME="docker")
    started = deployment.slipway("mlflow")
    assert started.returncode == 0, started.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_PROJECT", deployment.project)
        patch.setenv("SLIPWAY_LAKE_VOLUME", str(folder))
        yield folder
    deployment.down()


@pytest.fixture
def writers(lake, client):
    some = Writers(client, lake, f"p_{uuid.uuid4().hex[:10]}")
    yield some
    some.clear()


def test_a_writer_that_slept_through_its_successor_is_refused(writers, client):
    chance, refused, rounds = random.Random(4), [], 0  # noqa: S311
    while len(refused) < PAUSED_ROUNDS:
        rounds += 1
        assert rounds < 3 * PAUSED_ROUNDS + 3, "the older writer was never caught before its commit"
        writers.land(DAYS, level=rounds)
        run, before = f"run{rounds}", writers.raw()
        older = writers.start(run, 1, beside=True)
        # It has its rows, and is on its way to the table with them.
        logged(client, older, "INFO read ")
        time.sleep(chance.uniform(0, 0.3))
        try:
            client.pause(older.id)
        except APIError:
            writers.ended(older)
            continue
        # What has arrived meanwhile is in the newer try alone.
        writers.land(DAYS, level=rounds + 1000)
        committed = (writers.raw().version() if writers.raw() else None) != (before.version() if before else None)
        code, outputs = writers.run(run, 2)
        version = writers.raw().version()
        client.unpause(older.id)
        late = writers.ended(older)
        assert writers.raw().version() == version
        # One that had committed before it was paused is no late writer.
        if not committed:
            assert code == 0, outputs
            refused.append((late[0], ((late[1] or {}).get("error") or {}).get("type")))
    print(f"{len(refused)} of {rounds} rounds: {sorted(set(refused))}")
    assert {type_ for _, type_ in refused} <= {"StaleWriterError", "TryAgainError"}


class Reader(threading.Thread):
    """Reads the table over and over; keeps every day that was not whole."""

    def __init__(self, writers):
        super().__init__(daemon=True)
        self.writers, self.partial, self.reads, self.over = writers, [], 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            seen = self.writers.days()
            self.reads += 1
            self.partial += [(day, rows) for day, rows in seen.items() if rows != HOURS]


def test_a_writer_that_is_killed_leaves_no_part_of_a_day_and_a_retry_ends_with_the_same_content(writers, client):
    chance = random.Random(5)  # noqa: S311
    writers.land(DAYS)
    reader, hashes, cut = Reader(writers), {}, 0
    reader.start()
    for number in range(KILLED_ROUNDS):
        # Each round changes every day, back and forth between two states of the source.
        writers.land(DAYS, level=number % 2)
        killed = writers.start(f"run{number}", 1)
        logged(client, killed, "MLflow run")
        time.sleep(chance.uniform(0, 1.2))
        # One that has ended meanwhile can't be killed.
        with suppress(APIError):
            client.kill(killed.id)
        cut += writers.ended(killed)[0] == 137
        code, outputs = writers.run(f"run{number}", 2)
        assert code in (0, 99), outputs
        hashes.setdefault(number % 2, set()).add(outputs["tables"]["raw"]["content_hash"])
    reader.over.set()
    reader.join(60)
    print(f"{cut} of {KILLED_ROUNDS} killed before their end, {reader.reads} reads, content {hashes}")
    assert reader.partial == []
    assert all(len(seen) == 1 for seen in hashes.values())
    assert cut > 0
    assert set(writers.days().values()) == {HOURS}
