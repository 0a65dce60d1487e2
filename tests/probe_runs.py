"""Runs the probe job through the operator, outside a scheduler."""

from slipway import settings

FOLDER = settings.ROOT / "tests" / "fixtures" / "probe"


class Instance:
    """The part of a task instance that the operator reads."""

    dag_id, run_id, task_id, map_index, try_number = "probe.probe", "manual__1", "probe", -1, 2

    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


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
    return {"params": {"ends": ends, "start": None, "unknown": 1}, "ti": instance, "dag_run": Run()}


def run_probe(ends, **options):
    """What came of it (a result or an exception), what was pushed beside it, and the log's lines."""
    task, instance = probe_task(**options), Instance()
    try:
        came = task.execute(context(ends, instance))
    except Exception as error:
        came = error
    return came, instance.pushed, task.lines
