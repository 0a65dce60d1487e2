"""Environment and secrets come from Airflow's Variables when a task runs, never when a DAG file is read."""

import json
import subprocess
import sys

from slipway import settings

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.connection import Connection
from airflow.models.variable import Variable
from airflow.sdk.execution_time import context
asked = []
def refuse(name, *rest, **options):
    asked.append(name)
    raise KeyError(name)
context._get_variable = context._get_connection = refuse
Variable.get = Connection.get_connection_from_secrets = refuse
bag = DagBag(sys.argv[1], safe_mode=False)
print(json.dumps([asked, sorted(bag.import_errors), len(bag.dags)]))
"""
PLANTED = """
from airflow.sdk import BaseHook, Variable
for read in (lambda: Variable.get("slipway_env"), lambda: BaseHook.get_connection("engine")):
    try:
        read()
    except KeyError:
        pass
"""


def parsed(folder):
    """What DAG files ask Airflow for by name, the files that can't be read, and how many DAGs there are."""
    words = [sys.executable, "-c", PARSE, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_reading_the_dag_files_reads_no_variable_and_no_connection(airflow_db):
    asked, broken, count = parsed(settings.ROOT / "dags")
    assert (asked, broken) == ([], [])
    assert count > 0


def test_a_dag_file_that_reads_them_would_be_seen(airflow_db, tmp_path):
    (tmp_path / "planted.py").write_text(PLANTED)
    assert parsed(tmp_path)[0] == ["slipway_env", "engine"]
