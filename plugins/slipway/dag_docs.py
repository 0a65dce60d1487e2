"""What a DAG's page says: the words of its kind, and the facts of its pipeline."""

from typing import Any

from slipway import mlflow_link, pipelines, settings
from slipway.pipelines import Pipeline


def text(kind_doc: str | None, pipeline: Pipeline, kind: str, schedule: str | None) -> str:
    """Markdown for `doc_md`."""
    rows = "\n".join(f"| **{name}** | {fact} |" for name, fact in facts(pipeline, kind, schedule).items())
    return f"{(kind_doc or '').strip()}\n\n| | |\n|---|---|\n{rows}\n"


def facts(pipeline: Pipeline, kind: str, schedule: str | None) -> dict[str, str]:
    keys, dag_id = pipeline.keys, f"{pipeline.name}.{kind}"
    runs, model = mlflow_link.page(dag_id), mlflow_link.page(dag_id, "model")
    candidates = ", ".join(plain(entry["name"]) for entry in keys["candidates"])
    return {
        "Pipeline": f"{pipeline.name}: {plain(keys.get('description', 'no description'))}",
        "MLflow": f"[all runs]({runs}) · [the model and its versions]({model})",
        "Owner": plain(keys.get("owner", "nobody named")),
        "Source": source(keys["source"]),
        "Target": f"`{keys['target']}`, a {keys['task']} judged by {keys['metric']}",
        "Candidates": candidates,
        "Starts": starts(pipeline, schedule),
        "Defined in": f"`{where(pipeline)}`",
    }


def source(given: dict[str, Any]) -> str:
    """Where the rows come from."""
    if "files" in given:
        return f"files `{given['files']}` in landing"
    days = f", {given['start']} to {given['end']}" if "start" in given else ""
    return f"built-in `{given['builtin']}`{days}"


def starts(pipeline: Pipeline, schedule: str | None) -> str:
    """When the DAG runs."""
    if schedule is None:
        return "by hand only"
    if names := pipelines.assets_of(schedule):
        return "when " + " or ".join(f"`{pipeline.name}.{name}`" for name in names) + " has changed"
    return f"by cron, `{schedule}` (UTC)"


def where(pipeline: Pipeline) -> str:
    path = pipeline.path
    return str(path.relative_to(settings.ROOT) if path.is_relative_to(settings.ROOT) else path)


def plain(words: str) -> str:
    """Words of a YAML in a cell of a Markdown table."""
    return " ".join(words.split()).replace("|", "\\|")
