"""Which older run may stand for a task, asked of a real MLflow."""

import pytest
from mlflow_team import PROMOTE, TRAIN, Team, contract, session

from slipway import contracts, reuse, settings
from slipway.contracts import Reuse


@pytest.fixture
def team(mlflow) -> Team:
    return Team(mlflow)


DONE = {"status": "done", "reason": None, "counts": {"rows": 3}}


def test_parts_name_job_code_and_a_hash_of_each_parameter_but_force(team):
    team.parameters["force"] = True
    parts = team.parts(contract(None))
    assert (parts["job"], parts["code"]) == ("train", "sha256:1f")
    assert sorted(parts) == ["code", "job", "parameters"]
    assert {name: len(short) for name, short in parts["parameters"].items()} == {"metric": 16, "seed": 16}


def test_without_an_image_the_commit_and_the_lock_are_the_code(team):
    inputs = team.inputs | {"image": {"id": None, "revision": "files-1", "lock": "sha256:2"}}
    assert reuse.parts(TRAIN, inputs, None)["code"] == "files-1:sha256:2"


def test_the_interval_counts_only_where_the_window_is_the_interval(team):
    team.parameters["window"] = "all"
    assert "interval" not in team.parts(TRAIN)
    team.parameters["window"] = "interval"
    assert team.parts(TRAIN)["interval"] == ["2024-01-01", "2024-01-02"]


def test_the_model_that_is_asked_for_takes_the_place_of_the_champion(team):
    predict = contract(Reuse(models=("champion",)))
    team.point("champion", 1)
    team.point("challenger", 2)
    assert team.parts(predict)["models"] == {"champion": 1}
    team.parameters["model"] = "challenger"
    assert team.parts(predict)["models"] == {"challenger": 2}
    team.parameters["model"] = "1"
    assert team.parts(predict)["models"] == {"1": 1}


def test_the_newest_run_that_ended_well_is_the_past(team):
    team.ran(TRAIN, DONE | {"counts": {"rows": 1}})
    newest = team.ran(TRAIN, DONE, tables={"raw": 3})
    team.ran(TRAIN, DONE, status="FAILED")
    past = team.past(TRAIN)
    assert past is not None
    assert (past["run_id"], past["outputs"], past["parts"]["tables"]) == (newest, DONE, {"raw": 3})
    assert past["reused"] == {"run_id": newest, "when": "2025-11-24 16:02 UTC"}


def other_image(team: Team) -> None:
    team.image = "sha256:2e"


def other_parameter(team: Team) -> None:
    team.parameters = team.parameters | {"seed": 8}


def one_parameter_more(team: Team) -> None:
    team.parameters = team.parameters | {"split": {}}


def forced(team: Team) -> None:
    team.parameters = team.parameters | {"force": True}


def another_pipeline(team: Team) -> None:
    other = Team(team.url)
    other.ran(TRAIN, DONE, status="FAILED")
    team.name = other.name


@pytest.mark.parametrize("change", [other_image, other_parameter, one_parameter_more, forced, another_pipeline])
def test_after_a_change_there_is_no_past(team, change):
    team.ran(TRAIN, DONE)
    assert team.past(TRAIN) is not None
    change(team)
    assert team.past(TRAIN) is None


def test_a_job_without_reuse_has_no_past(team):
    team.ran(TRAIN, DONE)
    assert team.past(contract(None)) is None


def test_a_past_whose_model_lost_its_alias_is_none(team):
    predict = contract(Reuse(tables=("raw",)))
    team.point("champion", 1)
    team.ran(predict, DONE | {"model": {"version": 1, "alias": "champion"}})
    assert team.past(predict) is not None
    team.point("champion", 2)
    assert team.past(predict) is None


@pytest.mark.parametrize("text", ['"text"', "[1]", "null", "no JSON", '{"model": {"version": 1}}', '{"model": 3}'])
def test_outputs_that_are_none_are_no_past(team, text):
    run = team.ran(TRAIN, DONE)
    assert team.past(TRAIN) is not None
    team.put(run, text)
    assert team.past(TRAIN) is None


def test_an_mlflow_that_is_away_knows_of_no_past_and_no_alias():
    away = session("http://127.0.0.1:9")
    inputs = Team("").inputs
    parts = reuse.parts(PROMOTE, inputs, away)
    assert parts["models"] == {"challenger": "unknown", "champion": "unknown"}
    assert reuse.past(PROMOTE, inputs, parts, away) is None
    assert reuse.past(TRAIN, inputs, parts | {"models": {}}, away) is None


def test_aliases_that_nobody_could_tell_are_equal_to_none(team):
    parts = team.parts(PROMOTE) | {"models": {"challenger": "unknown", "champion": "unknown"}}
    team.ran(PROMOTE, DONE, models=parts["models"])
    assert reuse.past(PROMOTE, team.inputs, parts, team.session) is None


def test_a_move_that_the_run_made_itself_is_no_news(team):
    team.point("challenger", 1)
    parts, outputs = team.parts(PROMOTE), DONE | {"model": {"version": 1, "alias": "champion"}}
    assert parts["models"] == {"challenger": 1, "champion": None}
    run = team.ran(PROMOTE, outputs)
    team.point("champion", 1)
    hit = reuse.hit_without_the_job(PROMOTE, team.fingerprint(PROMOTE))
    assert hit is not None
    assert (hit["status"], hit["counts"], hit["closed"], hit["reused"]["run_id"]) == (
        "unchanged",
        {"rows": 3},
        True,
        run,
    )
    assert hit["reason"] == (
        f"unchanged: the same image, parameters, challenger 1 and champion 1 as run {run} of 2025-11-24 16:01 UTC"
    )


@pytest.mark.parametrize("alias", ["challenger", "champion"])
def test_another_model_is_no_hit(team, alias):
    for name in ("challenger", "champion"):
        team.point(name, 1)
    team.ran(PROMOTE, DONE)
    assert reuse.hit_without_the_job(PROMOTE, team.fingerprint(PROMOTE)) is not None
    team.point(alias, 2)
    assert reuse.hit_without_the_job(PROMOTE, team.fingerprint(PROMOTE)) is None


def test_what_had_nothing_to_do_has_nothing_to_do_again_and_names_the_first(team):
    first = team.ran(PROMOTE, {"status": "nothing_to_do", "reason": "version 1 is champion already"})
    hit = reuse.hit_without_the_job(PROMOTE, team.fingerprint(PROMOTE))
    assert hit is not None
    assert hit["status"] == "nothing_to_do"
    team.ran(PROMOTE, hit)
    again = reuse.hit_without_the_job(PROMOTE, team.fingerprint(PROMOTE))
    assert again is not None
    assert (again["reason"], again["reused"]) == (hit["reason"], hit["reused"])
    assert again["reused"]["run_id"] == first
    assert again["reason"].endswith("which had nothing to do: version 1 is champion already")


def test_what_lies_in_the_lake_only_the_job_can_tell(team):
    team.ran(TRAIN, DONE)
    assert reuse.hit_without_the_job(TRAIN, team.fingerprint(TRAIN)) is None


def test_the_jobs_of_this_checkout_say_what_they_rest_on():
    known = contracts.load_all(settings.read().jobs)
    told = {job: known[job].reuse for job in ("ingest", "train", "promote", "predict")}
    assert told == {
        "ingest": Reuse(tables=("raw",), landing=True),
        "train": Reuse(tables=("raw",), models=("challenger",)),
        "promote": Reuse(models=("challenger", "champion")),
        "predict": Reuse(tables=("raw", "predictions"), models=("champion",)),
    }
