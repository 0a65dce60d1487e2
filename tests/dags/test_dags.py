"""What Airflow makes of `dags/`, in this process and in fresh ones."""

import ast
import shutil
import subprocess
import sys

import pytest

from slipway import settings

DAGS = settings.ROOT / "dags"
BUILT_IN = ["bike_demand", "breast_cancer"]
# A pipeline is added by its YAML file alone, so the expected set is that of the files.
PIPELINES = sorted(path.stem for path in (DAGS / "pipelines").glob("*.yaml"))
KINDS = ["ingest", "predict", "train"]
DAG_IDS = [f"{pipeline}.{kind}" for pipeline in PIPELINES for kind in KINDS]
# The one that is no pipeline's.
REAP = "slipway.reap"


@pytest.fixture(scope="session")
def dags(airflow_db):
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return bag.dags


def test_each_pipeline_has_one_dag_of_each_kind_and_all_share_the_reaper(dags):
    assert sorted(dags) == sorted([*DAG_IDS, REAP])
    assert set(BUILT_IN) <= set(PIPELINES)


@pytest.mark.parametrize("dag_id", [*DAG_IDS, REAP])
def test_each_dag_tells_what_it_reads_what_it_writes_and_what_a_failure_costs(dags, dag_id):
    doc = dags[dag_id].doc_md
    assert [word for word in ("Reads ", "rites ", "If this fails", "Safe to rerun") if word not in doc] == []


@pytest.mark.parametrize("dag_id", [*DAG_IDS, REAP])
def test_each_dag_runs_one_at_a_time_and_never_catches_up(dags, dag_id):
    assert (dags[dag_id].max_active_runs, dags[dag_id].catchup) == (1, False)


def test_the_reaper_looks_every_minute_and_begins_unpaused(dags):
    dag = dags[REAP]
    assert (dag.schedule, dag.is_paused_upon_creation, dag.task_ids) == ("* * * * *", False, ["reap"])
    assert dag.task_dict["reap"].retries == 0
    assert [pipeline.name for pipeline in dag.task_dict["reap"].pipelines] == PIPELINES


def test_train_promotes_after_training_even_when_there_was_nothing_to_train(dags):
    dag = dags["bike_demand.train"]
    assert dag.task_ids == ["train", "promote"]
    assert dag.task_dict["promote"].upstream_task_ids == {"train"}
    assert dag.task_dict["promote"].trigger_rule == "none_failed"


def test_new_data_starts_train_and_predict_and_a_moved_champion_starts_predict(dags):
    def assets(dag_id):
        return sorted(asset.name for asset in dags[dag_id].timetable.asset_condition.objects)

    assert assets("breast_cancer.train") == ["breast_cancer.raw"]
    assert assets("breast_cancer.predict") == ["breast_cancer.champion", "breast_cancer.raw"]
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in dags["breast_cancer.train"].tasks}
    assert outlets == {"train": [], "promote": ["breast_cancer.champion"]}


def test_the_trigger_form_asks_for_what_the_jobs_declare(dags):
    limits = ["cpus", "memory_mib", "timeout_seconds"]
    asked = {kind: sorted(set(dags[f"bike_demand.{kind}"].params) - set(limits)) for kind in KINDS}
    assert asked == {
        "ingest": ["end", "force", "start"],
        "train": ["data_version", "force", "only_candidates", "promote_when"],
        "predict": ["end", "force", "model", "start"],
    }
    assert all(set(limits) <= set(dags[dag_id].params) for dag_id in DAG_IDS)
    start = dags["bike_demand.ingest"].params.get_param("start")
    assert start.schema == {**start.schema, "type": ["null", "string"], "format": "date"}


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_each_field_of_a_form_has_a_title_a_help_text_a_type_and_a_default(dags, dag_id):
    fields = {name: dags[dag_id].params.get_param(name) for name in dags[dag_id].params}
    assert [
        name
        for name, field in fields.items()
        if not (field.schema.get("title") and field.description and field.schema.get("type"))
    ] == []
    assert {name: field.resolve() for name, field in fields.items()} == dict(dags[dag_id].params)


def test_the_form_of_train_offers_the_candidates_of_its_pipeline(dags):
    field = dags["bike_demand.train"].params.get_param("only_candidates")
    assert field.schema["items"]["enum"] == ["hist_gradient_boosting", "random_forest", "ridge"]
    assert field.resolve(["ridge"]) == ["ridge"]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("ingest", "start", "2024-13-01"),
        ("ingest", "force", "yes"),
        ("ingest", "memory_mib", 1),
        ("predict", "model", "best"),
        ("predict", "model", "0"),
        ("predict", "cpus", 0),
        ("train", "only_candidates", ["nobody"]),
        ("train", "promote_when", "perhaps"),
        ("train", "data_version", -1),
        ("train", "timeout_seconds", 1),
    ],
)
def test_a_wrong_value_is_refused_before_there_is_a_run(dags, kind, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dags[f"bike_demand.{kind}"].params.get_param(name).resolve(value)


def test_the_doc_of_a_dag_names_its_pipelines_facts_and_leads_to_mlflow(dags):
    doc = dags["bike_demand.train"].doc_md
    for fact in (
        "| **Owner** | slipway |",
        "| **Source** | built-in `bike_demand`, 2023-01-01 to 2024-12-31 |",
        "| **Starts** | when `bike_demand.raw` has changed |",
        "(/slipway/mlflow/bike_demand.train/model)",
        "| **Defined in** | `dags/pipelines/bike_demand.yaml` |",
    ):
        assert fact in doc


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_is_a_table_of_contents(path):
    docstring, *statements = ast.parse(path.read_text()).body
    *imports, wiring = statements
    assert len(path.read_text().splitlines()) <= 45
    assert isinstance(docstring.value.value, str)
    assert {type(statement) for statement in imports} == {ast.ImportFrom}
    assert wiring.name == path.stem
    # Tasks are calls, perhaps with a name; the last line is an arrow or the only task.
    assert {type(statement) for statement in wiring.body} <= {ast.Assign, ast.Expr}
    assert {type(statement.value) for statement in wiring.body} <= {ast.Call, ast.BinOp}


HEAVY = ("mlflow", "pandas", "sklearn", "deltalake", "duckdb", "pyarrow", "jobs")
PROBE = f"""
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert bag.import_errors == {{}}, bag.import_errors
assert bag.dags
print(sorted({{name.split(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_parsing_a_dag_file_loads_nothing_that_only_jobs_need(path, airflow_db):
    done = subprocess.run([sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-2000:]


@pytest.fixture
def broken(tmp_path, monkeypatch, airflow_db):
    """The DAGs where a team's folder holds one broken pipeline."""
    from airflow.dag_processing.dagbag import DagBag

    text = (DAGS / "pipelines" / "breast_cancer.yaml").read_text()
    (tmp_path / "tumours.yaml").write_text(text.replace("\ntarget:", "\ntaget:"))
    monkeypatch.setenv("SLIPWAY_PIPELINES", str(tmp_path))
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    return bag.dags


def test_a_broken_pipeline_takes_no_other_away(broken):
    assert sorted(broken) == sorted([*DAG_IDS, REAP, *(f"tumours.{kind}" for kind in KINDS)])


def test_a_broken_pipeline_keeps_a_paused_dag_that_says_what_is_wrong(broken):
    dag = broken["tumours.train"]
    assert dag.is_paused_upon_creation is True
    assert "broken" in dag.tags
    assert "unknown key 'taget': did you mean 'target'?" in dag.doc_md
    assert dag.task_ids == ["fix_pipeline"]


def test_a_broken_pipelines_only_task_fails_with_file_and_line(broken):
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"tumours\.yaml:\d+: unknown key 'taget'"):
        broken["tumours.train"].task_dict["fix_pipeline"].execute({})


def test_two_folders_with_the_same_pipeline_are_told_apart(tmp_path, monkeypatch):
    from slipway import pipelines

    shutil.copy(DAGS / "pipelines" / "bike_demand.yaml", tmp_path)
    monkeypatch.setenv("SLIPWAY_PIPELINES", str(tmp_path))
    errors = {found.name: str(getattr(found, "error", "")) for found in pipelines.load_all(settings.read())}
    assert "there is a pipeline 'bike_demand' already" in errors["bike_demand-2"]
    assert (errors["bike_demand"], errors["breast_cancer"]) == ("", "")
