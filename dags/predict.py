"""Predict each pipeline's new days with its champion.

Runs when raw has changed or the champion moved, as an Airflow DAG per pipeline; skipped without a champion.
Reads the raw table and the champion. Writes the lake's predictions table, all new days in one commit.
If this fails, readers see the predictions of the run before. Safe to rerun.
"""

from slipway.dag_factory import each_pipeline
from slipway.job_operator import JobOperator
from slipway.pipelines import Pipeline


@each_pipeline(__doc__, max_active_runs=1)
def predict(pipeline: Pipeline) -> None:
    JobOperator(job="predict", pipeline=pipeline)
