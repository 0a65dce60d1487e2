"""Remove what jobs left behind: containers and volumes whose task is over or gone, and MLflow runs that never ended.

Runs every minute and looks twice in it, as one Airflow DAG for all pipelines; begins unpaused.
Reads the engines, MLflow and the states of tasks. Writes nothing but ends: removes on the engines, closes in MLflow.
If this fails, what was left stays until the next minute. Safe to rerun: what belongs to a task that goes on stays.
"""

from slipway.dag_factory import once
from slipway.pipelines import Pipeline
from slipway.reap_operator import ReapOperator


@once(__doc__, schedule="* * * * *", max_active_runs=1)
def reap(pipelines: list[Pipeline]) -> None:
    ReapOperator(task_id="reap", pipelines=pipelines)
