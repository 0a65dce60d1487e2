"""A pipeline of its own in a real MLflow, with runs that ended as the operator leaves them."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

from slipway import contracts, mlflow_rest, reuse
from slipway.contracts import Contract, Reuse
from slipway.mlflow_session import Session
from slipway.tracking_address import Tracking

LIMITS = contracts.Limits(2**30, 1.0, 60)
API = "/api/2.0/mlflow"


def session(url: str) -> Session:
    return Session(Tracking(url, url, None))


def contract(given: Reuse | None) -> Contract:
    return Contract("train", "", "model", (), (), LIMITS, {"properties": {}}, reuse=given)


PROMOTE = contract(Reuse(models=("challenger", "champion")))
TRAIN = contract(Reuse(tables=("raw",), models=("challenger",)))


@dataclass
class Team:
    """A pipeline of its own in MLflow, with runs that ended as tracked.py leaves them."""

    url: str
    name: str = field(default_factory=lambda: f"p_{uuid4().hex[:12]}")
    image: str = "sha256:1f"
    parameters: dict[str, Any] = field(default_factory=lambda: {"seed": 7, "metric": "r2"})
    experiment: str = ""
    clock: int = 1_764_000_000_000

    @cached_property
    def session(self) -> Session:
        return session(self.url)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        return mlflow_rest.ask(self.url, method, f"{API}/{path}", json=body)

    @property
    def inputs(self) -> dict[str, Any]:
        run = {"interval_start": "2024-01-01", "interval_end": "2024-01-02"}
        return {"pipeline": self.name, "parameters": self.parameters, "image": {"id": self.image}, "run": run}

    def parts(self, of: Contract) -> dict[str, Any]:
        return reuse.parts(of, self.inputs, self.session)

    def past(self, of: Contract) -> dict[str, Any] | None:
        return reuse.past(of, self.inputs, self.parts(of), self.session)

    def fingerprint(self, of: Contract) -> dict[str, Any]:
        return {"parts": self.parts(of), "past": self.past(of)}

    def ran(self, of: Contract, outputs: dict[str, Any], status: str = "FINISHED", **more: Any) -> str:
        """A run that is over; its ID."""
        self.experiment = self.experiment or self.ask("POST", "experiments/create", name=self.name)["experiment_id"]
        parts = reuse.settled(self.parts(of), outputs) | more
        tags = {"slipway.pipeline": self.name, "slipway.job": of.job}
        tags |= {reuse.RECIPE: reuse.recipe(parts), reuse.FINGERPRINT: json.dumps(parts)}
        told = [{"key": key, "value": value} for key, value in tags.items()]
        made = self.ask("POST", "runs/create", experiment_id=self.experiment, tags=told)["run"]["info"]["run_id"]
        self.put(made, json.dumps(outputs))
        self.clock += 60_000
        self.ask("POST", "runs/update", run_id=made, status=status, end_time=self.clock)
        return str(made)

    def put(self, run: str, text: str) -> None:
        with mlflow_rest.client(self.url) as client:
            path = f"/api/2.0/mlflow-artifacts/artifacts/{self.experiment}/{run}/artifacts/slipway/outputs.json"
            client.put(path, content=text).raise_for_status()

    def point(self, alias: str, version: int) -> None:
        """Give an alias to a version, made where it is not there yet."""
        self.ask_quietly("registered-models/create", name=self.name)
        while not self.has(version):
            self.ask("POST", "model-versions/create", name=self.name, source="s3://elsewhere/model")
        self.ask("POST", "registered-models/alias", name=self.name, alias=alias, version=str(version))

    def ask_quietly(self, path: str, **body: Any) -> None:
        with mlflow_rest.client(self.url) as client:
            client.post(f"{API}/{path}", json=body)

    def has(self, version: int) -> bool:
        asked = {"name": self.name, "version": str(version)}
        return mlflow_rest.ask(self.url, "GET", f"{API}/model-versions/get", params=asked) is not None
