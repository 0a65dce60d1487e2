"""What of a task's fingerprint changed since it last ended well, and so whether it would run now, and why."""

import contextlib
import io
import json
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from slipway import engine_connection, labels, looking, mlflow_rest, reuse, settings, tracking_address
from slipway.errors import UnknownRunError, UnknownTaskError
from slipway.job_inputs import JobRequest
from slipway.job_operator import JobOperator
from slipway.mlflow_session import Session
from slipway.tracking_address import Tracking

SHOWN_CHARACTERS = 60


def lines(name: str) -> list[str]:
    """Each changed part, then the verdict.

    Raises UnknownTaskError, or what keeps MLflow, engine or lake from being asked.
    """
    task = task_of(name)
    tracking = tracking_address.of(task.dag_id)
    with closing(Session(tracking)) as session:
        last = last_run(task, tracking, session)
        request = request_of(task, last["inputs"].get("run") or {})
        answer = answered(task, request, session)
    changes = changed(last["parts"], answer["parts"], last["inputs"], request.inputs) if last["parts"] else []
    verdict = "would be skipped" if answer["hit"] else "would run"
    return [head(task, last), *(f"  {change}" for change in changes), f"{verdict}: {answer['why']}"]


def head(task: JobOperator, last: dict[str, Any]) -> str:
    named = f"{task.dag_id}.{task.task_id}"
    if not last["run_id"]:
        return f"{named}: has not ended well yet"
    since = f"since run {last['run_id']} of {last['when']}"
    return f"{named}: {since}" if last["parts"] else f"{named}: {since}, which tells nothing of what it rests on"


def task_of(name: str) -> JobOperator:
    """The task that `PIPELINE.KIND` or `PIPELINE.KIND.TASK` names; without a task the first one."""
    from airflow.dag_processing.dagbag import DagBag

    pipeline, _, rest = name.partition(".")
    kind, _, asked = rest.partition(".")
    file = settings.own_dags() / f"{kind}.py"
    if not kind.isidentifier() or not file.is_file():
        kinds = ", ".join(sorted(path.stem for path in settings.own_dags().glob("*.py")))
        raise UnknownTaskError(f"{name!r} names no task: write PIPELINE.KIND or PIPELINE.KIND.TASK; kinds are {kinds}")
    # Airflow tells what it loads on standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        dags = DagBag(file).dags
    if f"{pipeline}.{kind}" not in dags:
        raise UnknownTaskError(f"there is no DAG {pipeline}.{kind}; there are {', '.join(sorted(dags)) or 'none'}")
    tasks = {task.task_id: task for task in dags[f"{pipeline}.{kind}"].topological_sort()}
    found = tasks.get(asked) if asked else next(iter(tasks.values()))
    if not isinstance(found, JobOperator):
        told = getattr(found, "error", f"no job {asked!r} in {pipeline}.{kind}; its tasks are {', '.join(tasks)}")
        raise UnknownTaskError(str(told))
    return found


def last_run(task: JobOperator, tracking: Tracking, session: Session) -> dict[str, Any]:
    """The task's newest run that ended well: ID, end, parts and inputs; empty where there is none."""
    tags = {"slipway.dag_id": task.dag_id, "slipway.task_id": task.task_id}
    found = reuse.newest(session, task.pipeline.name, tags)
    if found is None:
        return {"run_id": "", "when": "", "parts": {}, "inputs": {}}
    parts = json.loads(found["tags"].get(reuse.FINGERPRINT) or "{}")
    return {**found, "parts": parts, "inputs": inputs_of(found["run_id"], tracking)}


def inputs_of(run_id: str, tracking: Tracking) -> dict[str, Any]:
    try:
        return tracking.ask(lambda url: mlflow_rest.inputs_of(url, run_id, tracking.login))
    except UnknownRunError:
        return {}


def request_of(task: JobOperator, last: dict[str, Any]) -> JobRequest:
    """What the task would be given if its DAG were triggered now with the form left as it is.

    Which interval that would be nobody knows yet: that of the last run stands for it.
    """
    connection = engine_connection.of(task.docker_conn_id)
    image = looking.image_of(task.contract, connection, settings.read())
    start, end = (last.get(name) and datetime.fromisoformat(last[name]) for name in ("interval_start", "interval_end"))
    run = SimpleNamespace(
        logical_date=None, data_interval_start=start, data_interval_end=end, run_after=datetime.now(UTC)
    )
    # A name of its own, so that it is never taken for a task that runs.
    instance = SimpleNamespace(
        dag_id=task.dag_id,
        run_id=f"{labels.ASKING}{uuid4().hex[:12]}",
        task_id=task.task_id,
        map_index=-1,
        try_number=0,
    )
    return task.request({"params": task.dag.params.dump(), "ti": instance, "dag_run": run}, image)


def answered(task: JobOperator, request: JobRequest, session: Session) -> dict[str, Any]:
    """The whole of the parts, whether an older result stands for them, and why."""
    contract, inputs = task.contract, request.inputs
    parts = reuse.parts(contract, inputs, session)
    fingerprint = {"parts": parts, "past": reuse.past(contract, inputs, parts, session)}
    if contract.reuse is None:
        return {"parts": parts, "hit": False, "why": f"jobs/{contract.job}/job.yaml has no reuse: it always runs"}
    if contract.reuse.needs_the_job:
        inputs["fingerprint"] = fingerprint
        connection = engine_connection.of(task.docker_conn_id)
        return looking.look(request, contract, task.limits, connection)
    outputs = reuse.hit_without_the_job(contract, fingerprint)
    why = "no run of this image with these parameters and models has a result that could stand"
    return {"parts": parts, "hit": outputs is not None, "why": outputs["reason"] if outputs else why}


def changed(old: dict[str, Any], new: dict[str, Any], before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One line for each part that is another one than it was."""
    found = [f"image: {image(before, old)} -> {image(now, new)}"] * (old.get("code") != new.get("code"))
    given, asked = before.get("parameters") or {}, now["parameters"]
    found += [
        f"parameter {name}: {short(given, name)} -> {short(asked, name)}" for name in differing(old, new, "parameters")
    ]
    if old.get("interval") != new.get("interval"):
        found.append(f"interval: {old.get('interval')} -> {new.get('interval')}")
    found += [f"{name}: {version(old, name)} -> {version(new, name)}" for name in differing(old, new, "tables")]
    renewed = set(differing(old, new, "table_ids")) - set(differing(old, new, "tables"))
    found += [f"{name}: made anew, with the same number of versions" for name in sorted(renewed)]
    found += landing(old.get("landing") or {}, new.get("landing") or {})
    return found + [f"{name}: {model(old, name)} -> {model(new, name)}" for name in differing(old, new, "models")]


def differing(old: dict[str, Any], new: dict[str, Any], part: str) -> list[str]:
    """The names under one part whose values differ."""
    was, is_now = old.get(part) or {}, new.get(part) or {}
    return [name for name in sorted(was.keys() | is_now.keys()) if was.get(name) != is_now.get(name)]


def image(inputs: dict[str, Any], parts: dict[str, Any]) -> str:
    known = inputs.get("image") or {}
    return f"{known.get('name', '')} {known.get('version', '')} ({str(parts.get('code'))[:19]})".strip()


def short(parameters: dict[str, Any], name: str) -> str:
    if name not in parameters:
        return "not given"
    text = json.dumps(parameters[name])
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def version(parts: dict[str, Any], name: str) -> str:
    number = (parts.get("tables") or {}).get(name)
    return "no table" if number is None else f"{name}@v{number}"


def model(parts: dict[str, Any], name: str) -> str:
    number = (parts.get("models") or {}).get(name)
    return "no version" if number is None else f"version {number}"


def landing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What happened to the files in landing, by name where both runs told names."""
    if old.get("digest") == new.get("digest"):
        return []
    if "files" not in old or "files" not in new:
        return [f"landing: other files ({old.get('count', 0)} -> {new.get('count', 0)})"]
    words = {(False, True): "added", (True, True): "changed", (True, False): "gone"}
    was, is_now = old["files"], new["files"]
    return [f"landing: {name} {words[name in was, name in is_now]}" for name in differing(old, new, "files")]
