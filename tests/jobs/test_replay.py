"""A past run once more: the same result, beside the real tables, and told where it is not the same."""

import copy
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from deltalake import DeltaTable
from line import Line, as_csv, demand_rows

from jobs import contract, lake, replays


@dataclass
class Past:
    """The inputs and outputs of a run that has ended."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass
class History:
    """A line that goes on after each of its runs, and runs that are replayed."""

    line: Line
    past: dict[str, Past] = field(default_factory=dict)
    replayed: int = 0

    def run(self, job: str, name: str, **more: Any) -> Past:
        assert self.line.run(job, run=name, **more) == 0
        inputs = json.loads((self.line.folder / "in" / "inputs.json").read_text())
        self.past[f"{job} {name}"] = past = Past(inputs, copy.deepcopy(self.line.outputs))
        return past

    def replay(self, past: Past, **more: Any) -> int:
        """The exit code; as the command does it."""
        self.replayed += 1
        model = past.outputs["model"] or {}
        given = {
            "of": past.outputs["mlflow"]["run_id"],
            "lake": f"replays/{self.replayed:012x}",
            "tables": past.outputs["read"],
            "models": {model["alias"]: model["version"]} if past.inputs["job"] == "predict" else {},
        }
        path = self.line.folder / "in" / "inputs.json"
        path.write_text(json.dumps(past.inputs | {"replay": given | more}))
        code = contract.main(past.inputs["job"], ["--inputs", str(path)])
        self.line.outputs = json.loads((self.line.folder / "out" / "outputs.json").read_text())
        return code

    @property
    def scratch(self) -> Path:
        return self.line.folder / "lake" / "replays"

    def registered(self) -> tuple[int, dict[str, int]]:
        client = mlflow.MlflowClient()
        versions = client.search_model_versions(f"name='{self.line.name}'")
        held = client.get_registered_model(self.line.name).aliases
        return len(versions), {alias: int(number) for alias, number in held.items()}

    def versions(self) -> dict[str, int]:
        """The newest version of each real table."""
        names = ("raw", "predictions", "quarantine")
        tables = {name: lake.open_table(f"{self.line.name}/{name}") for name in names}
        tables["ledger"] = lake.open_table("ledger")
        return {name: table.version() for name, table in tables.items() if table}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, mlflow_server: str) -> Iterator[History]:
    """Twenty days, trained on, promoted and predicted; then more days, another champion and other predictions."""
    line = Line(tmp_path_factory.mktemp("built"))
    history = History(line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKE_URI", str(line.folder / "lake"))
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        line.land(as_csv([*demand_rows(), ["2024-01-20", 25, 1, 1]]), "january.csv")
        history.run("ingest", "first")
        history.run("train", "first")
        history.run("promote", "first")
        history.run("predict", "first")
        line.land(as_csv(demand_rows(12, level=40.0, first=demand_rows(21)[-1][0])), "later.csv")
        history.run("ingest", "second")
        history.run("train", "second")
        history.run("promote", "second", promote_when="always")
        history.run("predict", "second", start="2024-01-10")
        yield history


@pytest.fixture
def month(built: History, line: Line) -> History:
    """The same with a lake of its own, which a test may damage."""
    shutil.copytree(built.line.folder, line.folder, dirs_exist_ok=True)
    return History(replace(line, name=built.line.name), built.past)


@pytest.fixture
def untouched(month: History) -> Iterator[None]:
    """What is real is after the test as it was before."""
    before = month.versions(), month.registered(), month.line.rows("predictions")
    yield
    assert (month.versions(), month.registered(), month.line.rows("predictions")) == before


def test_outputs_tell_at_which_versions_a_run_found_its_tables(month: History) -> None:
    read = {name: past.outputs["read"] for name, past in month.past.items()}
    assert read["ingest first"] == {"quarantine": None, "raw": None}
    assert read["train first"] == {"raw": 1}
    assert read["predict first"] == {"raw": 1, "predictions": None, "ledger": 1}
    assert read["ingest second"] == {"quarantine": 1, "raw": 1}
    assert read["predict second"] == {"raw": 2, "predictions": 1, "ledger": 2}


@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.usefixtures("untouched")
def test_an_ingest_leaves_the_same_content(month: History, name: str) -> None:
    past = month.past[f"ingest {name}"]
    assert month.replay(past) == 0
    assert month.line.outputs["tables"]["raw"]["content_hash"] == past.outputs["tables"]["raw"]["content_hash"]
    assert month.line.outputs["counts"] == past.outputs["counts"]
    assert month.line.outputs["files"] == past.outputs["files"] | {"differ": {}}
    assert (
        DeltaTable(str(month.scratch / "000000000001" / month.line.name / "raw")).version() == int(name == "second") + 1
    )


@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.usefixtures("untouched")
def test_a_train_measures_the_same_and_registers_nothing(month: History, name: str) -> None:
    past = month.past[f"train {name}"]
    assert month.replay(past) == 0
    assert month.line.outputs["metrics"] == past.outputs["metrics"]
    assert month.line.outputs["tables"] == past.outputs["tables"]
    assert month.line.outputs["model"] is None
    assert not month.scratch.exists()


@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.usefixtures("untouched")
def test_a_predict_writes_the_same_predictions_with_the_model_of_then(month: History, name: str) -> None:
    past = month.past[f"predict {name}"]
    assert month.replay(past) == 0
    was, now = past.outputs["tables"], month.line.outputs["tables"]
    assert len(now["predictions"]["content_hash"]) == 64
    assert now["predictions"]["content_hash"] == was["predictions"]["content_hash"]
    assert now["raw"] == was["raw"]
    assert month.line.outputs["model"] == past.outputs["model"]
    assert month.line.outputs["counts"] == past.outputs["counts"]


@pytest.mark.usefixtures("untouched")
def test_files_that_arrived_later_are_not_read(month: History) -> None:
    month.line.land(as_csv(demand_rows(3)), "january-again.csv")
    assert month.replay(month.past["ingest second"]) == 0
    assert month.line.outputs["files"]["differ"] == {}
    assert month.line.outputs["counts"]["files"] == 2


@pytest.mark.usefixtures("untouched")
def test_a_file_that_changed_since_is_told(month: History) -> None:
    past = month.past["ingest first"]
    month.line.land(as_csv(demand_rows(level=11.0)), "january.csv")
    assert month.replay(past) == 0
    assert month.line.outputs["files"]["differ"] == {"january.csv": "changed"}
    assert month.line.outputs["tables"]["raw"]["content_hash"] != past.outputs["tables"]["raw"]["content_hash"]


@pytest.mark.usefixtures("untouched")
def test_a_file_that_is_gone_is_told(month: History) -> None:
    (month.line.landing / "january.csv").unlink()
    assert month.replay(month.past["ingest second"]) == 0
    assert month.line.outputs["files"]["differ"] == {"january.csv": "gone"}
    assert month.replay(month.past["ingest first"]) == 65
    assert month.line.message.startswith("none of the 1 files that were read then is in ")


def test_a_version_whose_files_are_gone_is_refused(month: History) -> None:
    Path(lake.open_table(f"{month.line.name}/raw", 1).file_uris()[0]).unlink()
    assert month.replay(month.past["train first"]) == 65
    assert f"1 of the files of {month.line.name}/raw@v1 are gone" in month.line.message


def test_a_table_that_is_gone_or_made_anew_is_refused(month: History) -> None:
    shutil.rmtree(month.line.folder / "lake" / month.line.name / "raw")
    assert month.replay(month.past["train first"]) == 65
    assert month.line.message.startswith(f"the table {month.line.name}/raw is gone")
    lake.create_table(f"{month.line.name}/raw", replays_schema())
    assert month.replay(month.past["train first"]) == 65
    assert month.line.message.startswith(f"{month.line.name}/raw has no version 1 any more")


def replays_schema() -> Any:
    import pyarrow as pa

    return pa.schema([("day", pa.date32())])


def test_a_run_that_an_older_try_had_done_tells_no_versions(month: History) -> None:
    for job in ("train", "predict"):
        assert (
            month.line.run(job, run="second", attempt=2, **({"start": "2024-01-10"} if job == "predict" else {})) == 0
        )
        assert month.line.outputs["read"] == {}


def test_a_promote_is_refused(month: History) -> None:
    past = month.past["promote first"]
    assert month.replay(past, tables={}) == 64
    assert month.line.message == "promote can't be replayed: only ingest, train, predict can"


def test_the_replay_is_a_run_of_its_own_without_the_tasks_identity(month: History) -> None:
    past = month.past["train first"]
    assert month.replay(past) == 0
    client = mlflow.MlflowClient()
    made = client.get_run(month.line.outputs["mlflow"]["run_id"])
    assert made.info.run_name == "replay of train 2026-11-21 03:45"
    assert made.info.status == "FINISHED"
    assert made.data.tags["slipway.replay_of"] == past.outputs["mlflow"]["run_id"]
    assert {name: made.data.tags[f"slipway.{name}"] for name in ("pipeline", "job")} == {
        "pipeline": month.line.name,
        "job": "train",
    }
    identity = {f"slipway.{name}" for name in ("dag_id", "run_id", "task_id", "map_index")}
    assert identity & made.data.tags.keys() == set()
    assert "mlflow.parentRunId" not in made.data.tags


def test_a_replay_writes_to_no_real_table(month: History) -> None:
    table = lake.open_table(f"{month.line.name}/raw")
    with lake.seen(lake.View("replays/0", ("raw",))), pytest.raises(lake.UsageError, match="no table but its own"):
        lake.current().refuse_real(table)


def test_the_scratch_folder_is_removed_by_a_command(month: History) -> None:
    assert month.replay(month.past["ingest first"]) == 0
    assert [path.name for path in month.scratch.iterdir()] == ["000000000001"]
    path = month.line.folder / "in" / "inputs.json"
    for _ in range(2):
        assert replays.main(["--inputs", str(path)]) == 0
    assert list(month.scratch.iterdir()) == []
    assert len(month.line.rows("raw")) > 0
