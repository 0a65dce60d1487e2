"""What a task tells its MLflow run, where there is an MLflow: begun before the job, closed as the job ended."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow.sdk.exceptions import AirflowTaskTimeout

from slipway import reuse, tracked
from slipway.container import Log
from slipway.contracts import Contract
from slipway.ended import NOTHING_TO_DO, Ended
from slipway.errors import SlipwayError
from slipway.failures import NothingToDo
from slipway.mlflow_session import Session
from slipway.tracked import Closing, TrackedRun
from slipway.tracking_address import Tracking

# Airflow's supervisor kills a task 5 s after it asked it to stop, and stopping the job takes its part of them.
HURRIED_SECONDS = 0.7
ADOPTION_SECONDS = 5.0


class TaskTracking:
    """The MLflow run of one try of a task; without an MLflow every word is in vain, and no harm."""

    def __init__(self, tracking: Tracking | None, interrupted: Callable[[], None], log: Log) -> None:
        self.session = Session(tracking, interrupted) if tracking else None
        self.log = log
        self.inputs: dict[str, Any] = {}
        self.run: TrackedRun | None = None
        self.parts: reuse.Parts | None = None

    def standing(self, contract: Contract, inputs: dict[str, Any]) -> Ended | None:
        """The result of an older run, where it may stand and nothing in the lake has to be looked at to tell.

        Where something has to, `inputs` tells the job what to compare.
        """
        fingerprint = reuse.fingerprint(contract, inputs, self.session)
        if fingerprint is None:
            return None
        self.parts = fingerprint["parts"]
        if contract.reuse and contract.reuse.needs_the_job:
            inputs["fingerprint"] = fingerprint
        older = reuse.hit_without_the_job(contract, fingerprint)
        if older is None:
            return None
        self.open(inputs)
        return Ended(NOTHING_TO_DO if older["status"] == "nothing_to_do" else 0, json.dumps(older))

    def open(self, inputs: dict[str, Any], container: str = "") -> None:
        """Make or reopen the run, and tell the job of it, and it of the job's container.

        Raises what keeps MLflow from being told: a job whose run nobody can find is not begun.
        """
        self.inputs = inputs
        if self.session:
            self.run = tracked.open_run(self.session, inputs, container)
            inputs["mlflow"] = self.run.identity

    def adopt(self, inputs: dict[str, Any], container: str = "") -> None:
        """The run of a job that goes on already; where MLflow is away it is found when the job has ended."""
        self.inputs = inputs
        if self.session is None:
            return
        patience, self.session.patience_seconds = self.session.patience_seconds, ADOPTION_SECONDS
        try:
            self.open(inputs, container)
        except SlipwayError as error:
            self.log(f"MLflow is not told yet that this try has taken over: {error}")
        self.session.patience_seconds = patience

    def close(
        self, outputs: dict[str, Any] | None, error: Exception | None, receipts: dict[str, float], last: list[str]
    ) -> None:
        """Say how the job ended; what MLflow does not hear now, the reaper says later."""
        if self.session is None or not self.inputs:
            return
        try:
            self.run = self.run or tracked.open_run(self.session, self.inputs)
            end = closing(self.run.inputs, outputs, error, receipts, last)
            self.run.close(
                end if end.status == "FAILED" else replace(end, tags=end.tags | self.rests_on(outputs, error))
            )
        # A job that is done does not fail because its task's time ended while MLflow was waited for.
        except (SlipwayError, AirflowTaskTimeout) as away:
            self.log(f"the MLflow run could not be closed now, `slipway reap` will do it: {away}")
        finally:
            self.session.close()

    def rests_on(self, outputs: dict[str, Any] | None, error: Exception | None) -> dict[str, str]:
        """The tags that let this result stand for later runs: as the job told them, else as far as was known before."""
        result = error.outputs if isinstance(error, NothingToDo) else outputs
        told = (result or {}).get("fingerprint")
        return reuse.tags(told or (reuse.settled(self.parts, result) if self.parts else None))

    def hurry(self) -> None:
        """From here on a second is all there is."""
        if self.session:
            self.session.hurry(HURRIED_SECONDS)


def closing(
    inputs: dict[str, Any],
    outputs: dict[str, Any] | None,
    error: Exception | None,
    receipts: dict[str, float],
    last: list[str],
) -> Closing:
    """The end of a run, from the result of its job, or from what made it fail."""
    failed = error is not None and not isinstance(error, NothingToDo)
    result = error.outputs | {"status": "nothing_to_do"} if isinstance(error, NothingToDo) else outputs
    given = {name: value for name, value in inputs.items() if name not in ("mlflow", "fingerprint")}
    texts = {"slipway/inputs.json": json.dumps(given, indent=1)}
    if result is not None:
        texts["slipway/outputs.json"] = json.dumps(result, indent=1)
    return Closing(
        status="FAILED" if failed else "FINISHED",
        tags=tags_of_failure(error) if failed else tags_of_success(result or {}),
        metrics={f"receipt_{name}": value for name, value in receipts.items()},
        artifacts={"slipway/log_tail.txt": "\n".join(last)} if last and failed else {},
        parameters=tracked.parameters(inputs),
        texts=texts,
    )


def tags_of_failure(error: Exception | None) -> dict[str, str]:
    kind = getattr(error, "kind", "failed")
    return {"slipway.status": "failed", "slipway.error": str(error), "slipway.failure_kind": kind}


def tags_of_success(outputs: dict[str, Any]) -> dict[str, str]:
    tags = {"slipway.status": str(outputs.get("status", "done"))}
    if outputs.get("reason"):
        tags["slipway.reason"] = str(outputs["reason"])
    if reused := outputs.get("reused"):
        tags["slipway.reused"] = str(reused.get("run_id"))
    return tags
