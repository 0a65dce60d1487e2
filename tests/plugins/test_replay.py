"""What a replay is given, what it refuses, and how then and now are compared."""

import copy
from dataclasses import replace

import pytest

from jobs import replays
from slipway import bundle, contracts, engine_connection, labels, past_run, replaying, settings, then_and_now
from slipway.errors import ReplayRefusedError, UnknownRunError
from slipway.job_inputs import JobRequest, Secrets
from slipway.past_run import PastRun

RUN = "a" * 32
INPUTS = {
    "slipway": 1,
    "job": "predict",
    "pipeline": "rides",
    "parameters": {"key": []},
    "run": {"dag_id": "rides.predict", "run_id": "first", "task_id": "predict", "map_index": -1, "try_number": 1},
    "image": {"name": "model", "version": "0.1.0", "id": f"sha256:{'1f' * 32}", "revision": "abc"},
    "fingerprint": {"parts": {}},
    "mlflow": None,
    "replay": None,
}
OUTPUTS = {
    "status": "done",
    "counts": {"rows": 96, "days": 4},
    "tables": {"raw": {"version": 3}, "predictions": {"version": 7, "content_hash": "b" * 64}},
    "model": {"name": "rides", "version": 2, "run_id": "x", "alias": "champion"},
    "metrics": {},
    "read": {"raw": 3, "predictions": None, "ledger": 1},
    "error": None,
}


def past(**outputs):
    return PastRun(RUN, copy.deepcopy(INPUTS), OUTPUTS | outputs)


def test_the_inputs_are_those_of_then_with_the_versions_that_they_meant():
    given = past_run.inputs_again(past(), OUTPUTS, "0123456789ab")
    assert given["replay"] == {
        "of": RUN,
        "lake": "replays/0123456789ab",
        "tables": {"raw": 3, "predictions": None, "ledger": 1},
        "models": {"champion": 2},
    }
    rest = {name: value for name, value in given.items() if name != "replay"}
    assert rest == {name: value for name, value in INPUTS.items() if name not in ("fingerprint", "mlflow", "replay")}


@pytest.mark.parametrize(
    ("changed", "outputs", "says"),
    [
        ({"replay": {"of": "b" * 32}}, {}, f"is itself a replay: `slipway replay {'b' * 32}`"),
        ({"job": "promote"}, {}, "is one of promote, which can't be replayed: it only moves an alias"),
        ({"job": "checksums"}, {}, "is one of checksums, which can't be replayed; ingest, train, predict can"),
        ({}, {"error": {"message": "no rows"}}, r"failed \(no rows\): there is no result to compare with"),
        ({}, {"reused": {"run_id": "c" * 32}}, f"took the result of an older one: `slipway replay {'c' * 32}`"),
        ({}, {"status": "nothing_to_do", "reason": "no champion", "read": {}}, r"had nothing to do \(no champion\)"),
        ({}, {"read": {}}, "does not tell which versions of its tables it read"),
    ],
)
def test_what_can_not_be_replayed_is_refused_with_the_reason(changed, outputs, says):
    run = past(**outputs)
    with pytest.raises(ReplayRefusedError, match=says):
        past_run.replayable(replace(run, inputs=run.inputs | changed))


def test_a_run_that_left_no_outputs_is_refused():
    with pytest.raises(ReplayRefusedError, match="holds no outputs: it has not ended yet"):
        past_run.replayable(PastRun(RUN, INPUTS, None))


def test_what_is_no_mlflow_run_id_is_told():
    with pytest.raises(UnknownRunError, match="'manual__1' is no MLflow run ID"):
        past_run.fetched("manual__1")


def test_each_mlflow_of_the_deployment_is_asked_once_its_own_first(tmp_path, monkeypatch):
    text = (settings.ROOT / "dags" / "pipelines" / "breast_cancer.yaml").read_text()
    for name in ("north", "northern"):
        own = text.replace("owner: slipway\n", "owner: north\nenv_variable: north_env\n", 1)
        (tmp_path / f"{name}.yaml").write_text(own)
    monkeypatch.setenv("SLIPWAY_PIPELINES", str(tmp_path))
    assert past_run.asked() == ["", "north"]


def test_both_sides_mean_the_same_by_what_a_job_writes():
    assert replays.WRITES == past_run.WRITES


def same(then, now, job="predict"):
    found = then_and_now.rows(then, now, past_run.WRITES[job])
    return {row.what: row.same for row in found}


def test_versions_of_what_is_written_do_not_count_and_all_else_does():
    now = copy.deepcopy(OUTPUTS)
    now["tables"]["predictions"]["version"] = 1
    assert same(OUTPUTS, now) == dict.fromkeys(
        ["predictions, content", "raw, version", "model version", "count rows", "count days"], True
    )
    now["tables"]["raw"]["version"] = 4
    now["tables"]["predictions"]["content_hash"] = "c" * 64
    now["counts"]["rows"] = 97
    now["model"]["version"] = 3
    assert same(OUTPUTS, now) == {
        "predictions, content": False,
        "raw, version": False,
        "model version": False,
        "count rows": False,
        "count days": True,
    }


def test_a_content_that_is_not_told_any_more_differs():
    now = OUTPUTS | {"tables": {"raw": {"version": 3}}}
    assert same(OUTPUTS, now)["predictions, content"] is False


def test_a_metric_that_differs_in_its_last_digit_is_told_with_how_much():
    then = {"metrics": {"tree.mae": 21.229634, "mean.mae": 128.0, "mean.r2": 0.0}}
    now = {"metrics": {"tree.mae": 21.229635, "mean.mae": 128.0, "mean.r2": 0.5}}
    found = then_and_now.rows(then, now, ())
    assert then_and_now.lines(found, {}) == [
        "what               | then      | now                                    | same?",
        "metric tree.mae    | 21.229634 | 21.229635 (+1e-06, 1.00000005 of then) | NO",
        "metric mean.r2     | 0.0       | 0.5 (+0.5)                             | NO",
        "metrics, all other | 1 values  | 1 values                               | yes",
    ]
    assert then_and_now.verdict(found) == "differs: metric tree.mae, metric mean.r2"


def test_files_that_are_not_as_they_were_are_named():
    then = {"files": {"count": 2, "digest": "a" * 64}}
    now = {"files": {"count": 1, "digest": "b" * 64, "differ": {"x.csv": "changed", "y.csv": "gone"}}}
    found = then_and_now.rows(then, now, past_run.WRITES["ingest"])
    assert then_and_now.lines(found, now["files"]["differ"])[1:] == [
        "files in landing | 2 (aaaaaaaaaaaa) | 1 (bbbbbbbbbbbb) | NO",
        "landing: x.csv changed since then",
        "landing: y.csv gone since then",
    ]


def again(image):
    inputs = INPUTS | {"image": INPUTS["image"] | image}
    request = JobRequest("predict", inputs, {}, Secrets())
    contract = contracts.of("predict", settings.read().jobs)
    return replaying.Again(request, request, contract, contract.limits, engine_connection.of(None))


@pytest.mark.containers
def test_an_image_that_the_engine_does_not_hold_any_more_is_told(monkeypatch):
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    with pytest.raises(
        ReplayRefusedError, match=r"image model 0.1.0 \(sha256:1f1f.*pull its release .* commit abc names"
    ):
        replaying.refuse_other_image(again({}))


def test_a_run_of_the_other_runtime_is_told(monkeypatch):
    monkeypatch.setenv("SLIPWAY_RUNTIME", "docker")
    with pytest.raises(ReplayRefusedError, match="made without a container"):
        replaying.refuse_other_image(again({"id": None}))
    monkeypatch.setenv("SLIPWAY_RUNTIME", "process")
    with pytest.raises(ReplayRefusedError, match="was made in image sha256:1f1f"):
        replaying.refuse_other_image(again({}))
    with pytest.raises(ReplayRefusedError, match=r"the code of jobs/predict is files-\w+, and was abc"):
        replaying.refuse_other_image(again({"id": None}))


def test_on_the_engine_a_replay_has_a_name_that_no_task_has(airflow_db):
    given = past_run.inputs_again(past(), OUTPUTS, "0123456789ab")
    made = replaying.prepared(past(), given, "0123456789ab")
    assert made.named.inputs["run"]["run_id"] == f"{labels.REPLAYING}0123456789ab"
    assert made.request.inputs["run"] == INPUTS["run"]


def test_what_serves_the_command_alone_is_in_no_bundle():
    named = {"replay.py", "replaying.py", "past_run.py", "then_and_now.py", "explain.py"}
    assert named <= set(bundle.LEFT_OUT)
