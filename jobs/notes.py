"""What people read in MLflow, in Markdown: on an experiment, a run, a registered model and each of its versions."""

from collections.abc import Mapping

from jobs import metrics
from jobs.identity import Inputs
from jobs.model_card import ModelCard
from jobs.outcome import Outcome

NOTE = "mlflow.note.content"


def of_experiment(inputs: Inputs) -> str:
    """What an experiment is for."""
    about = inputs.run.pipeline_description or "no description in its YAML"
    return (
        f"**{inputs.pipeline}**: {about}\n\nOne run per task of the Airflow DAGs `{inputs.pipeline}.ingest`, "
        f"`.train` and `.predict`, under one run per DAG run. Written by Slipway from the pipeline's YAML."
    )


def of_run(inputs: Inputs, outcome: Outcome | None = None) -> str:
    """Where a run comes from and, once it has ended, what came of it."""
    run, image = inputs.run, inputs.image
    title = f"{inputs.job} of {inputs.pipeline}, try {run.try_number}"
    title = f"Replay of run `{inputs.replay.of}`: {title}" if inputs.replay else title
    return f"{title}\n\n" + told(
        {
            "Airflow": links(inputs),
            "DAG run": f"`{run.run_id}`",
            "Image": f"{image.reference} `{(image.id or 'no container')[:19]}`",
            "Code": f"`{image.revision or 'unknown'}`",
        }
        | (ended(outcome) if outcome else {})
    )


def ended(outcome: Outcome) -> dict[str, str]:
    """How a run ended, and the versions of the tables that it read or wrote."""
    said = " ".join((outcome.reason or "").split())[:500]
    counted = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in outcome.counts.items())
    result = "; ".join(text for text in (outcome.status.replace("_", " "), said, counted) if text)
    tables = ", ".join(f"{name} version {table.get('version')}" for name, table in outcome.tables.items())
    return {"Result": result} | ({"Data": tables} if tables else {})


def of_parent(inputs: Inputs) -> str:
    """What a DAG run's own run is: a bracket around those of its tasks."""
    facts = {"Airflow": links(inputs, task=False), "DAG run": f"`{inputs.run.run_id}`"}
    return f"One run of the DAG {inputs.run.dag_id}; its tasks are the runs below it.\n\n{told(facts)}"


def of_model(inputs: Inputs) -> str:
    """What a registered model is, and which of its versions is in use."""
    about = inputs.run.pipeline_description or inputs.pipeline
    return (
        f"{about}\n\nThe version with the alias `champion` is the one that `{inputs.pipeline}.predict` uses; "
        "`challenger` is the newest. Each champion move stands in the lake's ledger, with its reason."
    )


def of_version(inputs: Inputs, card: ModelCard, metric: str, run_id: str, experiment_id: str) -> str:
    """How a model version was made, and how well it does beside its rivals."""
    best = card.figures[card.chosen].get(metric, float("nan"))
    # The list of versions shows the first line alone.
    first = f"{card.chosen}, with {metric} {best:.4g} on {card.test_rows:,} held-out rows"
    facts = {
        "Predicts": f"`{card.target}`, a {card.task}",
        "Data": f"{card.pipeline}/raw, version {card.data_version}",
        "Content hash": f"`{card.content_hash}`",
        "Trained on": f"{card.train_rows:,} rows{_span(card.train_span)}",
        "Held out": f"{card.test_rows:,} rows{_span(card.test_span)}",
        "Made by": f"[MLflow run](#/experiments/{experiment_id}/runs/{run_id}) · {links(inputs)}",
    }
    return f"{first}\n\n{told(facts)}\n\n**Figures on the held-out rows**, best first\n\n{figures(card, metric)}"


def of_move(why: str, requested_at: str) -> str:
    """What is added to a version's page when it becomes champion."""
    return f"\n\n**Champion** since {requested_at[:16].replace('T', ' ')} UTC: {why}"


def figures(card: ModelCard, metric: str) -> str:
    """One line per candidate and baseline."""
    names = [metric, *sorted({name for entry in card.figures.values() for name in entry} - {metric})]
    sign = 1 if metric in metrics.LOWER_IS_BETTER else -1
    best_first = sorted(card.figures, key=lambda name: sign * card.figures[name].get(metric, sign * float("inf")))
    # MLflow gives the cells of a table no room.
    lines = [f"| | {' | '.join(f'{name}&emsp;' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for name in best_first:
        shown = f"**{name}**" if name == card.chosen else f"{name} (baseline)" if name in card.baselines else name
        values = (card.figures[name].get(one) for one in names)
        lines.append(f"| {shown}&emsp; | {' | '.join('' if value is None else f'{value:.4g}' for value in values)} |")
    return "\n".join(lines)


def links(inputs: Inputs, task: bool = True) -> str:
    """Back to Airflow, where its address is known."""
    run = inputs.run
    dag, at_task, _ = (run.airflow_url or "").partition("/tasks/")
    if not at_task:
        return f"{run.dag_id}, task {run.task_id}"
    to_task = f"[task {run.task_id}]({run.airflow_url}) · " if task else ""
    return f"{to_task}[run of {run.dag_id}]({dag})"


def told(facts: Mapping[str, str]) -> str:
    """A list: the cells of a table would stand close together in MLflow."""
    return "\n".join(f"- **{name}**: {fact}" for name, fact in facts.items())


def _span(days: tuple[object, object] | None) -> str:
    return f", {days[0]} to {days[1]}" if days else ""
