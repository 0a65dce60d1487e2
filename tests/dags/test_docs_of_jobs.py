"""The DAG of docs/jobs.md, with a job that is no Python in it, as Airflow reads it."""

import re

from slipway import settings

IMPORTS = """
from slipway.dag_factory import each_pipeline, raw
from slipway.job_operator import JobOperator
from slipway.pipelines import Pipeline
"""


def test_the_dag_in_the_docs_is_one(airflow_db, tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    text = (settings.ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    (wiring,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "ingest.py").write_text(f'"""An Airflow DAG as in the docs."""\n{IMPORTS}\n{wiring}')
    bag = DagBag(tmp_path)
    assert bag.import_errors == {}
    dag = bag.dags["bike_demand.ingest"]
    assert dag.task_dict["ingest"].upstream_task_ids == {"checksums"}
    assert dag.task_dict["checksums"].contract.image == "shell"
