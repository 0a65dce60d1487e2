"""A run that has ended, as MLflow tells of it: whether it can be replayed, and what its replay is given."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from slipway import mlflow_rest, reuse, settings, tracking_address
from slipway.errors import ReplayRefusedError, SettingsError, SlipwayError, TrackingAwayError, UnknownRunError
from slipway.pipelines import load_all
from slipway.tracking_address import Tracking

RUN_ID = re.compile(r"[0-9a-f]{32}")
# What each job writes, which its replay writes beside it (jobs/replays.py).
WRITES: dict[str, tuple[str, ...]] = {"ingest": ("raw", "quarantine"), "train": (), "predict": ("predictions",)}


@dataclass(frozen=True)
class PastRun:
    """One run; `outputs` is None where it left none."""

    run_id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None

    @property
    def job(self) -> str:
        return str(self.inputs["job"])

    @property
    def pipeline(self) -> str:
        return str(self.inputs["pipeline"])


def fetched(run_id: str) -> tuple[PastRun, Tracking]:
    """The run, and the MLflow that knows it: that of the deployment, or one that a pipeline has of its own.

    Raises TrackingAwayError where one does not answer and no other knows it, else UnknownRunError.
    """
    if not RUN_ID.fullmatch(run_id):
        raise UnknownRunError(f"{run_id!r} is no MLflow run ID (32 hex digits): copy it from the run's page in MLflow")
    faults: list[SlipwayError] = []
    for pipeline in asked():
        try:
            tracking = tracking_address.of(f"{pipeline}.replay")
            return tracking.ask(partial(of, run_id=run_id, login=tracking.login)), tracking
        except (TrackingAwayError, UnknownRunError, SettingsError) as error:
            faults.append(error)
    kinds = (TrackingAwayError, UnknownRunError, SettingsError)
    raise next(fault for kind in kinds for fault in faults if isinstance(fault, kind))


def asked() -> list[str]:
    """One pipeline for each pair of Variables, so that no MLflow is asked twice; first the deployment's own."""
    names = ["", *(pipeline.name for pipeline in load_all(settings.read()))]
    one_each = {tuple(tracking_address.variables(name).values()): name for name in reversed(names)}
    return [name for name in names if name in one_each.values()]


def of(url: str, run_id: str, login: mlflow_rest.Login) -> PastRun:
    inputs = mlflow_rest.inputs_of(url, run_id, login)
    return PastRun(run_id, inputs, mlflow_rest.artifact_of(url, run_id, reuse.OUTPUTS, login))


def replayable(past: PastRun) -> dict[str, Any]:
    """The outputs of a run that can be replayed.

    Raises ReplayRefusedError, with the reason, for any other.
    """
    outputs, run = past.outputs, f"run {past.run_id}"
    if older := (past.inputs.get("replay") or {}).get("of"):
        raise ReplayRefusedError(f"{run} is itself a replay: `slipway replay {older}` replays what it replayed")
    if past.job not in WRITES:
        moves = ": it only moves an alias" if past.job == "promote" else ""
        raise ReplayRefusedError(f"{run} is one of {past.job}, which can't be replayed{moves}; {', '.join(WRITES)} can")
    if outputs is None:
        raise ReplayRefusedError(f"{run} holds no outputs: it has not ended yet, or was ended from outside")
    if outputs.get("error"):
        why = outputs["error"].get("message")
        raise ReplayRefusedError(f"{run} failed ({why}): there is no result to compare with; see `slipway inputs`")
    if reused := outputs.get("reused"):
        raise ReplayRefusedError(
            f"{run} took the result of an older one: `slipway replay {reused['run_id']}` replays that"
        )
    if not outputs.get("read") and outputs.get("status") == "nothing_to_do":
        raise ReplayRefusedError(f"{run} had nothing to do ({outputs.get('reason')}): there is nothing to replay")
    if not outputs.get("read"):
        raise ReplayRefusedError(
            f"{run} does not tell which versions of its tables it read: it was made before Slipway noted them, or an"
            " older try of its task had written already; replay a run that tells"
        )
    return outputs


def inputs_again(past: PastRun, outputs: dict[str, Any], replay_id: str) -> dict[str, Any]:
    """The inputs of then, and which versions they meant."""
    kept = {name: value for name, value in past.inputs.items() if name not in ("fingerprint", "mlflow", "replay")}
    model = outputs.get("model") if past.job == "predict" else None
    replay = {
        "of": past.run_id,
        "lake": f"replays/{replay_id}",
        "tables": outputs["read"],
        "models": {model["alias"]: model["version"]} if model else {},
    }
    return kept | {"replay": replay}
