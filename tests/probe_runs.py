"""Runs the probe job through the operator, outside a scheduler."""

from slipway import settings

CANARY = "canary-7f3a'\"%s"
FOLDER = settings.ROOT / "tests" / "fixtures" / "probe"


class Instance:
    """The part of a task instance that the operator reads."""

    dag_id, run_id, task_id, map_index, stats_tags = "probe.probe", "manual__1", "probe", -1, {}

    def __init__(self, try_number=2, store=None, state="running"):
        self.try_number, self.store, self.state = try_number, store, state
        self.pushed, self.max_tries = {}, 3

    def get_task_states(self, **asked):
        """Airflow's answer; one that is away raises."""
        if isinstance(self.state, Exception):
            raise self.state
        return {self.run_id: {self.task_id: self.state}} if self.state else {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


class Store(dict):
    """Airflow's store of task state, which outlives a try."""

    def set(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


class Run:
    """The part of a DAG run that the operator reads."""

    logical_date = data_interval_start = data_interval_end = run_after = None


def probe_task(limits=None, **options):
    from slipway.job_operator import JobOperator
    from slipway.pipelines import Pipeline

    keys = {"columns": {}, "limits": {"probe": limits or {}}}
    task = JobOperator(job="probe", pipeline=Pipeline("probe", FOLDER, keys), **options)
    task.lines = []
    task.log_line = task.lines.append
    return task


def context(ends, instance):
    return {
        "params": {"ends": ends, "start": None, "unknown": 1},
        "ti": instance,
        "dag_run": Run(),
        "task_state_store": instance.store,
    }


def run_probe(ends, **options):
    """What came of it (a result or an exception), what was pushed beside it, and the log's lines."""
    task, instance = probe_task(**options), Instance()
    try:
        came = task.execute(context(ends, instance))
    except Exception as error:
        came = error
    return came, instance.pushed, task.lines


def of_the_probe(client):
    """IDs of all containers of the probe in this session."""
    return [found["Id"] for found in client.containers(all=True, filters=ours())]


def volumes_of_the_probe(client):
    return [found["Name"] for found in client.volumes(filters=ours())["Volumes"] or []]


def ours():
    return {"label": ["slipway.job=probe", f"slipway.project={settings.read().project}"]}
