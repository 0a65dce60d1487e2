"""What a job's result rests on, as far as it can be told from outside, and the older run whose result may stand for it.

The job itself completes the parts with what lies in the lake (jobs/unchanged.py), and compares.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from slipway.contracts import Contract
from slipway.errors import TrackingAwayError, TrackingRefusedError
from slipway.mlflow_session import API, Session
from slipway.tracked import tagged

Parts = dict[str, Any]
FINGERPRINT, RECIPE = "slipway.fingerprint", "slipway.recipe"
OUTPUTS = "slipway/outputs.json"
# These may move without the job being another one; everything else must be the same for a run to be looked at at all.
MOVING = ("tables", "table_ids", "landing", "models")
UNKNOWN = "unknown"
ODD = (TrackingAwayError, TrackingRefusedError, KeyError, TypeError, ValueError, AttributeError)


def fingerprint(contract: Contract, inputs: dict[str, Any], session: Session | None) -> Parts | None:
    """The parts that can be told before the job begins, and the older run that may stand; None without reuse."""
    if contract.reuse is None:
        return None
    whole = parts(contract, inputs, session)
    return {"parts": whole, "past": past(contract, inputs, whole, session)}


def tags(whole: Parts | None) -> dict[str, str]:
    """What a run that ended well is found by later, and compared with."""
    return {RECIPE: recipe(whole), FINGERPRINT: json.dumps(whole)} if whole else {}


def parts(contract: Contract, inputs: dict[str, Any], session: Session | None) -> Parts:
    """Job, code and parameters, each parameter as the start of a hash; the models that the job's contract names."""
    image, given = inputs["image"], inputs["parameters"]
    whole: Parts = {
        "job": contract.job,
        "code": image.get("id") or f"{image.get('revision')}:{image.get('lock')}",
        "parameters": {name: digest(value)[:16] for name, value in sorted(given.items()) if name != "force"},
    }
    if given.get("window") == "interval":
        whole["interval"] = [inputs["run"].get("interval_start"), inputs["run"].get("interval_end")]
    if contract.reuse and (asked := models(contract, given)):
        held = aliases(session, inputs["pipeline"])
        whole["models"] = {name: version(name, held) for name in asked}
    return whole


def models(contract: Contract, given: dict[str, Any]) -> tuple[str, ...]:
    """Aliases of the models that the result rests on; where a parameter `model` asks for one, or a number, that one."""
    named = contract.reuse.models if contract.reuse else ()
    return (str(given["model"]),) if named and given.get("model") else named


def version(name: str, held: dict[str, int] | None) -> int | str | None:
    """The version that an alias or a number means; one that nobody can tell stands in no comparison."""
    if name.isdigit():
        return int(name)
    return UNKNOWN if held is None else held.get(name)


def recipe(whole: Parts) -> str:
    """One hash of what makes two runs the same work, whatever the state of tables, files and models."""
    return digest({name: part for name, part in whole.items() if name not in MOVING})


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def past(contract: Contract, inputs: dict[str, Any], whole: Parts, session: Session | None) -> dict[str, Any] | None:
    """The newest run of the same recipe that ended well, and whose model still has its alias.

    An MLflow that is away, or answers oddly, knows of none: the job then just runs.
    """
    unknown = UNKNOWN in whole.get("models", {}).values()
    if contract.reuse is None or session is None or inputs["parameters"].get("force") or unknown:
        return None
    try:
        return found(session, inputs["pipeline"], whole)
    except ODD:
        return None


def found(session: Session, pipeline: str, whole: Parts) -> dict[str, Any] | None:
    same = {RECIPE: recipe(whole), "slipway.pipeline": pipeline, "slipway.job": whole["job"]}
    run = newest(session, pipeline, same)
    if run is None or FINGERPRINT not in run["tags"]:
        return None
    outputs = session.once("GET", "/get-artifact", params={"path": OUTPUTS, "run_uuid": run["run_id"]})
    if not outputs or not isinstance(outputs, dict) or moved_on(session, pipeline, outputs.get("model"), whole):
        return None
    reused = outputs.get("reused") or made_by(run, outputs)
    return {
        "run_id": reused["run_id"],
        "parts": json.loads(run["tags"][FINGERPRINT]),
        "outputs": outputs,
        "reused": reused,
    }


def newest(session: Session, pipeline: str, tags: dict[str, str]) -> dict[str, Any] | None:
    """ID, end and tags of the pipeline's newest run that ended well and has these tags.

    Raises TrackingAwayError or TrackingRefusedError.
    """
    experiment = session.once("GET", f"{API}experiments/get-by-name", params={"experiment_name": pipeline})
    if experiment is None:
        return None
    asked = {
        "experiment_ids": [experiment["experiment"]["experiment_id"]],
        "filter": f"attributes.status = 'FINISHED' and {tagged(tags)}",
        "order_by": ["attributes.end_time DESC"],
        "max_results": 1,
    }
    runs = (session.once("POST", f"{API}runs/search", json=asked) or {}).get("runs", [])
    return next((told(run) for run in runs), None)


def told(run: dict[str, Any]) -> dict[str, Any]:
    ended = datetime.fromtimestamp(int(run["info"]["end_time"]) / 1000, UTC)
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    return {"run_id": run["info"]["run_id"], "when": f"{ended:%Y-%m-%d %H:%M} UTC", "tags": tags}


def made_by(run: dict[str, Any], outputs: dict[str, Any]) -> dict[str, str]:
    """Who made these outputs; where there was nothing to do, why."""
    who = {"run_id": run["run_id"], "when": run["when"]}
    skipped = outputs.get("status") == "nothing_to_do"
    return who | {"nothing_to_do": str(outputs.get("reason"))} if skipped else who


def moved_on(session: Session, pipeline: str, model: dict[str, Any] | None, whole: Parts) -> bool:
    """Whether the model of an older run is no longer what its outputs call it."""
    asked = whole.get("models", {})
    if not model or str(model["version"]) in asked:
        return False
    held = asked if model["alias"] in asked else held_aliases(session, pipeline)
    return bool(held.get(model["alias"]) != model["version"])


def aliases(session: Session | None, pipeline: str) -> dict[str, int] | None:
    """The version behind each alias of the pipeline's model; None where MLflow is away or answers oddly."""
    if session is None:
        return None
    try:
        return held_aliases(session, pipeline)
    except ODD:
        return None


def held_aliases(session: Session, pipeline: str) -> dict[str, int]:
    answer = session.once("GET", f"{API}registered-models/get", params={"name": pipeline}) or {}
    return {one["alias"]: int(one["version"]) for one in answer.get("registered_model", {}).get("aliases", [])}


def settled(whole: Parts, outputs: dict[str, Any] | None) -> Parts:
    """The parts that a run began with, and over them the alias that it moved itself: the same again is no news."""
    model = (outputs or {}).get("model") or {}
    if model.get("alias") not in whole.get("models", {}):
        return whole
    return whole | {"models": whole["models"] | {model["alias"]: model["version"]}}


def hit_without_the_job(contract: Contract, fingerprint: dict[str, Any]) -> dict[str, Any] | None:
    """The outputs of an older run that stand, where nothing in the lake has to be looked at to tell.

    Their status is `unchanged`, or `nothing_to_do` where the older run had nothing to do either.
    """
    whole, older = fingerprint["parts"], fingerprint.get("past")
    if contract.reuse is None or contract.reuse.needs_the_job or older is None or older["parts"] != whole:
        return None
    reused, skipped = older["reused"], older["reused"].get("nothing_to_do")
    why = why_not(whole, reused)
    said = {"status": "nothing_to_do", "reason": f"{why}, which had nothing to do: {skipped}"} if skipped else {}
    marks = {"reused": reused, "fingerprint": whole, "closed": True}
    return {**older["outputs"], "status": "unchanged", "reason": why, **said, **marks}


def why_not(whole: Parts, reused: dict[str, str]) -> str:
    """One sentence for people."""
    same = ["image" if whole["code"].startswith("sha256:") else "code", "parameters"]
    same += ["interval"] * ("interval" in whole)
    same += [f"{alias} {number}" for alias, number in whole.get("models", {}).items() if number is not None]
    return f"unchanged: the same {', '.join(same[:-1])} and {same[-1]} as run {reused['run_id']} of {reused['when']}"
