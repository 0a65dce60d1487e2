"""Every wrong YAML is one line with file, line and what was meant; none takes the others away."""

import pytest

from slipway import pipelines, settings

PIPELINES = settings.ROOT / "dags" / "pipelines"
BOMB = "".join(f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True))

WRONG = {
    "an unknown key inside a source": (
        "bike_demand",
        "  start: 2023",
        "  strat: 2023",
        "p.yaml:15: unknown key 'strat' in source: did you mean 'start'?",
    ),
    "a source of another form": (
        "breast_cancer",
        "builtin: breast_cancer",
        "file: x.csv",
        "p.yaml:9: unknown key 'file' in source: did you mean 'files'?",
    ),
    "an unknown type": (
        "breast_cancer",
        "sample: integer",
        "sample: intger",
        "p.yaml:11: columns.sample: unknown 'intger': did you mean 'integer'?",
    ),
    "an unknown rule of a column": (
        "breast_cancer",
        "{type: integer, minimum",
        "{type: integer, minimun",
        "unknown key 'minimun' in columns.malignant: did you mean 'minimum'?",
    ),
    "a metric that there is not": (
        "breast_cancer",
        "metric: roc_auc",
        "metric: rocauc",
        "metric: unknown 'rocauc': did you mean 'roc_auc'?",
    ),
    "an estimator outside scikit-learn": (
        "breast_cancer",
        "sklearn.linear_model.LogisticRegression",
        "os.system",
        "candidates.0.estimator: 'os.system' has not the form",
    ),
    "a feature that is no column": (
        "breast_cancer",
        "  - mean_radius",
        "  - mean_radus",
        "features.0: no column 'mean_radus': did you mean 'mean_radius'?",
    ),
    "a schedule of no known asset": (
        "bike_demand",
        "raw or champion",
        "raw or champoin",
        "p.yaml:11: schedules.predict: 'raw or champoin' is neither a cron expression",
    ),
    "a cron expression with a month too many": (
        "bike_demand",
        "15 2 * * *",
        "15 2 * 13 *",
        "p.yaml:9: schedules.ingest: '15 2 * 13 *' is neither",
    ),
    "a fraction that is no number": (
        "bike_demand",
        "test_fraction: 0.2",
        "test_fraction: .nan",
        "is not a finite number",
    ),
    "a limit beyond all machines": (
        "breast_cancer",
        "\ntarget:",
        "\nlimits: {train: {timeout_seconds: 999999999999999}}\ntarget:",
        "limits.train.timeout_seconds: 999999999999999 is greater than the maximum",
    ),
    "a tab": ("breast_cancer", "\ntarget:", "\n\ttarget:", "not YAML: found character"),
    "a control character": ("breast_cancer", "\ntarget:", "\n\x01target:", "p.yaml:1: can't be read: unacceptable"),
    "a list as a key": ("breast_cancer", "\ntarget:", "\n? [a]\n: 1\ntarget:", "a key must be a word"),
    "an alias that holds itself": ("breast_cancer", "\ntarget:", "\nowner: &a [*a]\ntarget:", "aliases unfold to more"),
    "an alias bomb": ("breast_cancer", "\ntarget:", f"\na: &a [x]\n{BOMB}target:", "aliases unfold to more"),
}


def error_of(path):
    return getattr(pipelines.load_or_broken(path, settings.read()), "error", None)


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_yaml_says_where_and_what_was_meant(tmp_path, fault):
    name, good, bad, says = WRONG[fault]
    text = (PIPELINES / f"{name}.yaml").read_text()
    assert good in text
    (tmp_path / "p.yaml").write_text(text.replace(good, bad, 1))
    told = str(error_of(tmp_path / "p.yaml"))
    assert says in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("name", ["landing", "ledger"])
def test_a_name_that_the_lake_keeps_for_itself_is_refused(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text((PIPELINES / "breast_cancer.yaml").read_text())
    assert "keeps the name" in str(error_of(path))


@pytest.mark.parametrize("name", ["my rides", "rïdes", "1st", "a.b"])
def test_a_file_name_that_can_not_name_a_dag_is_refused(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text((PIPELINES / "breast_cancer.yaml").read_text())
    assert "use letters, digits, _ and - alone" in str(error_of(path))


def test_a_mean_by_calendar_words_is_allowed(tmp_path):
    text = (PIPELINES / "bike_demand.yaml").read_text()
    (tmp_path / "p.yaml").write_text(text.replace("[weekday, hour]", "[month, hour]"))
    assert error_of(tmp_path / "p.yaml") is None


def test_no_wrong_yaml_takes_a_dag_of_another_pipeline_away(tmp_path, monkeypatch, airflow_db):
    from airflow.dag_processing.dagbag import DagBag

    for place, (name, good, bad, _) in enumerate(WRONG.values()):
        text = (PIPELINES / f"{name}.yaml").read_text()
        (tmp_path / f"wrong_{place}.yaml").write_text(text.replace(good, bad, 1))
    (tmp_path / "my rides.yaml").write_text("version: 1\n")
    monkeypatch.setenv("SLIPWAY_PIPELINES", str(tmp_path))
    bag = DagBag(settings.ROOT / "dags")
    assert bag.import_errors == {}
    working = sorted(dag_id for dag_id, dag in bag.dags.items() if "broken" not in dag.tags)
    names = [path.stem for path in PIPELINES.glob("*.yaml")]
    assert {"bike_demand", "breast_cancer"} <= set(names)
    of_all = [f"{name}.{kind}" for name in names for kind in ("ingest", "predict", "train")]
    assert working == sorted([*of_all, "slipway.reap"])
    assert "my_rides.train" in bag.dags
