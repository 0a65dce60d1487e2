"""Train each pipeline's candidates on fresh data and promote the winner if it beats the champion.

Runs when raw has changed, or on its own cron, as an Airflow DAG per pipeline; skipped when nothing changed.
Reads the lake's raw table. Writes model versions, the champion alias and the ledger.
If this fails, predictions keep using the current champion. Safe to rerun.
"""

from slipway.dag_factory import champion, each_pipeline
from slipway.job_operator import JobOperator
from slipway.pipelines import Pipeline


@each_pipeline(__doc__, max_active_runs=1)
def train(pipeline: Pipeline) -> None:
    train = JobOperator(job="train", pipeline=pipeline)
    # A challenger whose promotion once failed is looked at again, also when train has nothing to do.
    promote = JobOperator(job="promote", pipeline=pipeline, trigger_rule="none_failed", outlets=[champion(pipeline)])
    train >> promote
