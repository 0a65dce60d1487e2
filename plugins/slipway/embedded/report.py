"""What came of a demo, told from the outputs.json of its tasks."""

import re
from typing import Any

from slipway import mlflow_rest
from slipway.errors import TrackingAwayError, UnknownRunError
from slipway.settings import Settings

Json = dict[str, Any]
NUMBER = re.compile(r"-?[\d.]+(e[-+]\d+)?|-?inf|nan")


def lines(pipeline: str, ended: list[Json], deployed: Settings) -> list[str]:
    """The report of DAGs that ended well."""
    tasks = [task for run in ended for task in run["tasks"]]
    inputs = {task["task"]: inputs_of(task, deployed) for task in tasks}
    results = [line for task in tasks for line in result(task, inputs[task["task"]])]
    jobs = table(["job", "result", "seconds", "image", "image ID"], [job(task, inputs[task["task"]]) for task in tasks])
    told = [*indented([*results, champion(pipeline, inputs, deployed)]), "", *indented(jobs)]
    return ["", f"{pipeline}:", *told, "", *where_next(tasks, deployed)]


def champion(pipeline: str, inputs: dict[str, Json], deployed: Settings) -> str:
    """Which version is champion now, whether or not it moved today, and how it was measured."""
    try:
        held = mlflow_rest.champion(deployed.mlflow_url, pipeline)
    except TrackingAwayError:
        return "champion: MLflow does not answer"
    if held is None:
        return "champion: none yet"
    tags = held["tags"]
    measured = [f"{tags.get('slipway.candidate')} trained on raw@v{tags.get('slipway.data_version')}"]
    metric = inputs.get("train", {}).get("parameters", {}).get("metric")
    if f"slipway.{metric}" in tags:
        measured.append(f"{metric} {number(float(tags[f'slipway.{metric}']))}")
    return f"champion: version {held['version']} ({', '.join(measured)})"


def inputs_of(task: Json, deployed: Settings) -> Json:
    """The inputs.json that the task's run holds in MLflow; empty where it tracked none."""
    run = ((task["outputs"] or {}).get("mlflow") or {}).get("run_id")
    try:
        return mlflow_rest.inputs_of(deployed.mlflow_url, run) if run else {}
    except (UnknownRunError, TrackingAwayError):
        return {}


def result(task: Json, inputs: Json) -> list[str]:
    """What one task brought: counts, table versions, measures, model; or why there was nothing to do."""
    outputs = task["outputs"] or {}
    tables = [table_version(name, of) for name, of in (outputs.get("tables") or {}).items()]
    if outputs.get("status") == "nothing_to_do":
        return ["; ".join([f"{task['task']}: nothing to do: {outputs['reason']}", *tables])]
    if outputs.get("status") == "unchanged":
        return ["; ".join([f"{task['task']}: {outputs['reason']}", *tables])]
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in (outputs.get("counts") or {}).items())
    said = "; ".join(filter(None, [counts, *tables, model(outputs.get("model")), outputs.get("reason")]))
    return [f"{task['task']}: {said or task['state']}", *indented(measures(outputs.get("metrics") or {}, inputs))]


def table_version(name: str, of: Json) -> str:
    """A table's version; a job that only read it tells no content hash."""
    content = f" (content {of['content_hash'][:12]})" if of.get("content_hash") else ""
    return f"{name} version {of['version']}{content}"


def model(registered: Json | None) -> str:
    """A registered model's version, and the alias it holds."""
    if not registered:
        return ""
    alias = f" ({registered['alias']})" if registered.get("alias") else ""
    return f"model {registered['name']} version {registered['version']}{alias}"


def measures(metrics: dict[str, float], inputs: Json) -> list[str]:
    """A table of `<name>.<metric>` measures: a row per name, the deciding metric first; empty for fewer than two."""
    parameters = inputs.get("parameters") or {}
    names = dict.fromkeys(name.rsplit(".", 1)[0] for name in metrics if "." in name)
    decides = parameters.get("metric")
    columns = sorted({name.rsplit(".", 1)[1] for name in metrics if "." in name}, key=lambda one: (one != decides, one))
    candidates = {candidate["name"] for candidate in parameters.get("candidates") or []}
    baselines = {name for name in names if candidates and name not in candidates}
    rows = [
        [
            f"{name} (baseline)" if name in baselines else name,
            *(number(metrics.get(f"{name}.{one}")) for one in columns),
        ]
        for name in sorted(names, key=lambda name: name in baselines)
    ]
    return table(["on the held-out part", *columns], rows) if len(rows) > 1 else []


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def job(task: Json, inputs: Json) -> list[str]:
    """One row of the table of jobs."""
    image = inputs.get("image") or {}
    status = (task["outputs"] or {}).get("status") or task["state"]
    seconds = f"{task['seconds']:.1f}" if task["seconds"] is not None else ""
    named = f"{image['name']} {image['version']}" if image else ""
    return [task["task"], status.replace("_", " "), seconds, named, (image.get("id") or "")[:19]]


def where_next(tasks: list[Json], deployed: Settings) -> list[str]:
    tracked = [task["outputs"]["mlflow"] for task in tasks if (task["outputs"] or {}).get("mlflow")]
    page = f"/#/experiments/{tracked[-1]['experiment_id']}" if tracked else ""
    return [
        f"MLflow: {deployed.mlflow_url}{page}",
        f"logs: {deployed.state / 'logs'}",
        "stop: `make stop` (`make stop VOLUMES=1` removes lake and tracking data too)",
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Aligned columns: text to the left, numbers to the right, each head as its column."""
    columns = [aligned(list(column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def aligned(column: list[str]) -> list[str]:
    width = max(map(len, column))
    numbers = all(NUMBER.fullmatch(text) for text in column[1:] if text)
    return [text.rjust(width) if numbers else text.ljust(width) for text in column]


def indented(text: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in text]
