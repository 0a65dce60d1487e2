"""Ingest containers that no operator watches, on a lake in a folder that the test reads."""

import json
import time
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from docker.errors import NotFound

from slipway import container, contracts, image_refs, settings
from slipway.contracts import Limits
from slipway.job_inputs import JobRequest, Secrets

COLUMNS = {"day": "date", "hour": {"type": "integer"}, "demand": "number"}
LIMITS = Limits(2**30, 2, 300)
HOURS = 24


class Writers:
    """One pipeline's ingest, as often as a test wants it, each in a container under the task instance's own name."""

    def __init__(self, client, lake, name):
        self.client, self.lake, self.name = client, Path(lake), name
        self.contract = contracts.of("ingest", settings.read().jobs)
        self.image = image_refs.resolve(self.contract.image, settings.ROOT / "images").reference
        (self.lake / "landing").mkdir(exist_ok=True)

    def land(self, days, level=0):
        """A file with so many whole days, bytes that all writers read alike."""
        rows = [
            f"2024-{1 + day // 28:02d}-{1 + day % 28:02d},{hour},{hour + day % 7 + level}"
            for day in range(days)
            for hour in range(HOURS)
        ]
        (self.lake / "landing" / f"{self.name}.csv").write_text("\n".join(["day,hour,demand", *rows]) + "\n")

    def request(self, run_id, try_number, task_id="ingest"):
        run = {"dag_id": f"{self.name}.ingest", "run_id": run_id, "task_id": task_id, "map_index": -1}
        run |= {"try_number": try_number, "requested_at": "2026-01-02T03:04:05+00:00"}
        parameters = {"source": {"files": f"{self.name}.csv"}, "columns": COLUMNS, "day": "day", "key": ["day", "hour"]}
        inputs = {"slipway": 1, "job": "ingest", "pipeline": self.name, "parameters": parameters, "run": run}
        inputs["image"] = {"name": "data", "version": "0.1.0", "id": self.image}
        environment = {"LAKE_URI": "/lake", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
        return JobRequest("ingest", inputs, environment, Secrets())

    def start(self, run_id, try_number, beside=False):
        """A container that runs; `beside` the one that holds the task instance's name."""
        request = self.request(run_id, try_number)
        named = self.request(run_id, try_number, "beside") if beside else request
        made = container.create(self.client, self.image, named, self.contract, LIMITS)
        made.fill(request)
        made.start("ingest")
        return made

    def ended(self, one):
        """Its exit code and outputs.json; the container goes."""
        code = self.client.wait(one.id, timeout=240)["StatusCode"]
        outputs = json.loads(one.outputs_text() or "null")
        one.remove()
        return code, outputs

    def run(self, run_id, try_number):
        return self.ended(self.start(run_id, try_number))

    def raw(self):
        try:
            return DeltaTable(str(self.lake / self.name / "raw"))
        except TableNotFoundError:
            return None

    def days(self):
        """Rows of each day that a reader sees now."""
        table = self.raw()
        if table is None:
            return {}
        days = table.to_pyarrow_table(columns=["day"])["day"].value_counts().to_pylist()
        return {str(one["values"]): one["counts"] for one in days}

    def clear(self):
        for one in self.client.containers(all=True, filters={"label": f"slipway.pipeline={self.name}"}):
            with suppress(NotFound):
                self.client.remove_container(one["Id"], v=True, force=True)


def logged(client, one, words, seconds=120):
    """Wait until the container has said these words, or has ended."""
    until = time.monotonic() + seconds
    while words not in client.logs(one.id).decode():
        if not one.inspect()["State"]["Running"]:
            return False
        assert time.monotonic() < until, client.logs(one.id).decode()
        time.sleep(0.02)
    return True
