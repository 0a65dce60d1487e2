"""MLflow runs that say RUNNING although nobody is left who would end them; closed as their job or task ended."""

from collections.abc import Callable, Collection
from dataclasses import replace

from airflow.sdk.configuration import conf

from slipway import job_inputs, reaping, tracked
from slipway.ended import judge
from slipway.errors import SlipwayError
from slipway.failures import DeadlineError, JobFailedError, JobRefusedError, NothingToDo
from slipway.left_on_engine import Left, Looked
from slipway.log_lines import redactor
from slipway.mlflow_session import API, Session
from slipway.pipelines import Pipeline
from slipway.reaping import Task
from slipway.task_states import States
from slipway.task_tracking import tags_of_failure
from slipway.tracked import Closing, Found, TrackedRun

GONE_WELL = ("success", "skipped")
OF_A_TRY = (tracked.TRIES, tracked.CONTAINER)


def look(session: Session, pipeline: Pipeline, states: States, looked: Looked) -> list[Left]:
    """Runs of tasks, then those of their DAG runs.

    Raises TrackingAwayError when MLflow does not answer.
    """
    experiment = session.ask("GET", f"{API}experiments/get-by-name", params={"experiment_name": pipeline.name})
    if experiment is None:
        return []
    experiment_id = str(experiment["experiment"]["experiment_id"])
    mine = [run for run in tracked.search(session, experiment_id, "attributes.status = 'RUNNING'") if is_ours(run)]
    left = {}
    for run in mine:
        task = reaping.task_of(run.tags)
        if task and (found := died(task, run, pipeline, looked) or deserted(task, states, looked)):
            why, closing = found
            end = ending(session, experiment_id, run, closing)
            left[run.run_id] = Left(f"MLflow run {run.run_id}", str(task), why, end, "close")
    parents = [left_parent(session, experiment_id, run, states, left.keys()) for run in mine]
    return [*left.values(), *filter(None, parents)]


def is_ours(run: Found) -> bool:
    """Whether this Airflow's task made it: another that shares the MLflow knows its own tasks."""
    address = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
    return bool(run.tags.get("slipway.airflow_url", "").startswith(f"{address}/"))


def died(task: Task, run: Found, pipeline: Pipeline, looked: Looked) -> tuple[str, Closing] | None:
    """The typed reason of a job that failed, or has to be stopped, and whose worker has not come for it.

    None where its container is gone, goes on, waits with a result for the next try, or is not the one that the run is
    of: a newer try may run on another engine.
    """
    own = run.tags.get(tracked.CONTAINER)
    late, told = looked.late.get(task, ("", ""))
    if told and late[:12] == own:
        error = DeadlineError(f"deadline: {told}, and no worker stopped it")
        return str(error), Closing("FAILED", tags_of_failure(error))
    found = looked.uncollected.get(task)
    if found is None or found.container[:12] != own:
        return None
    name = pipeline.keys.get("secrets_variable", job_inputs.SECRETS_VARIABLE)
    secrets = tuple(job_inputs.variable(name).values())
    try:
        judge(replace(found.ended, secrets=secrets), found.job, found.limit_bytes)
    except NothingToDo:
        return None
    except (JobFailedError, JobRefusedError) as error:
        hidden = redactor(secrets)
        last = hidden.sub("***", found.last) if hidden else found.last
        artifacts = {"slipway/log_tail.txt": last} if last else {}
        return str(error), Closing("FAILED", tags_of_failure(error), artifacts=artifacts)
    return None


def deserted(task: Task, states: States, looked: Looked) -> tuple[str, Closing] | None:
    """Where nobody can tell how the job ended, its task's state does."""
    why = None if task in looked.kept else reaping.over(task, states)
    if why is None:
        return None
    told = f"the job's container is gone and {why}: nobody closed this run"
    if (states(task.dag_id, task.run_id) or {}).get(task.name) in GONE_WELL:
        return why, Closing("FINISHED", {"slipway.status": "done", "slipway.reason": told})
    return why, Closing("FAILED", {"slipway.status": "failed", "slipway.error": told, "slipway.failure_kind": "lost"})


def ending(session: Session, experiment_id: str, run: Found, closing: Closing) -> Callable[[], None]:
    def end() -> None:
        now = told_now(session, run.run_id)
        # A job that was stopped a moment ago may have closed it with a better reason, or a new try have begun.
        if now is None or now.status != "RUNNING" or any(now.tags.get(name) != run.tags.get(name) for name in OF_A_TRY):
            return
        doomed = TrackedRun(session, {}, experiment_id, run.run_id, "")
        try:
            doomed.end(closing)
        except SlipwayError:
            # The reason counts for more than the end of a log.
            doomed.end(replace(closing, artifacts={}))

    return end


def left_parent(
    session: Session, experiment_id: str, run: Found, states: States, doomed: Collection[str]
) -> Left | None:
    """The run of a whole DAG run, where all that it brackets has ended or is about to."""
    dag_id, run_id = (run.tags.get(f"slipway.{name}", "") for name in ("dag_id", "run_id"))
    if not tracked.is_parent(run) or not reaping.all_over(dag_id, run_id, states):
        return None
    words = tracked.tagged({"slipway.dag_id": dag_id, "slipway.run_id": run_id})

    def below() -> list[Found]:
        return [one for one in tracked.search(session, experiment_id, words) if reaping.task_of(one.tags)]

    if {one.run_id for one in below() if one.status == "RUNNING"} - set(doomed):
        return None

    def close() -> None:
        told = tracked.together(below())
        now = told_now(session, run.run_id)
        if told != "RUNNING" and now and now.status == "RUNNING":
            TrackedRun(session, {}, experiment_id, run.run_id, "").end(Closing(told, {}))

    return Left(f"MLflow run {run.run_id}", f"{dag_id}, {run_id}", "all tasks of that DAG run are over", close, "close")


def told_now(session: Session, run: str) -> Found | None:
    """None where the run was deleted meanwhile."""
    found = session.ask("GET", f"{API}runs/get", params={"run_id": run})
    return Found.of(found["run"]) if found else None
