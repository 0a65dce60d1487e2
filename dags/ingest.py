"""Bring new rows from each pipeline's source into its raw table, day by day.

Runs on the cron schedule in the pipeline's YAML, as an Airflow DAG per pipeline.
Reads the files in landing, or the built-in source. Writes the lake's raw table and, for bad rows, quarantine.
If this fails, raw keeps its last version and nothing downstream starts. Safe to rerun: days that did not change stay.
"""

from slipway.dag_factory import each_pipeline, raw
from slipway.job_operator import JobOperator
from slipway.pipelines import Pipeline


@each_pipeline(__doc__, max_active_runs=1)
def ingest(pipeline: Pipeline) -> None:
    JobOperator(job="ingest", pipeline=pipeline, outlets=[raw(pipeline)])
