"""What compose is called with, and what tells the stack from the embedded deployment."""

import io
import json
from dataclasses import replace

import pytest

from slipway import settings
from slipway.errors import SettingsError, StackError
from slipway.stack import chosen, compose, database, stack
from slipway.stack.compose import Compose
from slipway.stack.env_file import Setting


@pytest.fixture
def deployed(tmp_path):
    """A stack of a checkout whose `.env` has one secret."""
    given = {"MLFLOW_DB_PASSWORD": Setting("MLFLOW_DB_PASSWORD", "canary-of-the-database", 1)}
    return stack.Stack(replace(settings.read(), state=tmp_path, project="a2"), 28080, given)


def test_secrets_stand_in_the_environment_and_never_on_the_command_line(deployed, monkeypatch):
    monkeypatch.setenv("MLFLOW_DB_PASSWORD", "of another program")
    composed = Compose(["docker", "compose"], deployed, {"IMAGE_STORE": "sha256:1"})
    assert "canary" not in " ".join(composed.words("up"))
    given = composed.environment()
    assert (given["MLFLOW_DB_PASSWORD"], given["IMAGE_STORE"]) == ("canary-of-the-database", "sha256:1")


def test_the_project_and_its_files_are_named_wherever_a_person_stands(deployed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "another")
    monkeypatch.setenv("COMPOSE_FILE", "another.yaml")
    composed = Compose(["docker-compose"], deployed, {})
    words = composed.words("up")
    assert words[words.index("--project-name") + 1] == "a2-stack"
    assert words[words.index("--file") + 1] == str(settings.ROOT / "docker-compose.yaml")
    assert sorted(name for name in composed.environment() if name.startswith("COMPOSE_")) == ["COMPOSE_PROFILES"]


def test_its_own_store_starts_unless_another_is_named(deployed):
    theirs = replace(deployed, given={"S3_ENDPOINT_URL": Setting("S3_ENDPOINT_URL", "http://s3", 1)})
    profiles = [Compose([], each, {}).environment()["COMPOSE_PROFILES"] for each in (deployed, theirs)]
    assert profiles == ["store", ""]


def test_extra_pipelines_are_mounted_where_airflow_reads_them(deployed, tmp_path):
    folder = tmp_path / "team $a"
    folder.mkdir()
    pipelines = (*deployed.settings.pipelines[:1], folder)
    extra = replace(deployed, settings=replace(deployed.settings, pipelines=pipelines))
    compose.write_override(extra)
    (part, *others) = json.loads(compose.override(extra).read_text())["services"].values()
    assert others == [part, part]
    assert part["volumes"][0]["source"] == f"{tmp_path}/team $$a"
    assert part["environment"] == {"SLIPWAY_PIPELINES": "/opt/pipelines/1/team $$a"}
    assert Compose([], extra, {}).words().count("--file") == 2
    compose.write_override(deployed)
    assert Compose([], deployed, {}).words().count("--file") == 1


def test_a_pipelines_folder_that_is_not_there_is_told(deployed, tmp_path):
    pipelines = (*deployed.settings.pipelines[:1], tmp_path / "absent")
    with pytest.raises(SettingsError, match=r"SLIPWAY_PIPELINES names .*/absent, which is no folder here"):
        compose.write_override(replace(deployed, settings=replace(deployed.settings, pipelines=pipelines)))


@pytest.mark.parametrize(
    ("program", "says"),
    [("echo one >&2; echo 'the last word' >&2; exit 3", "title: the last word"), ("exit 1", "title: it said nothing")],
)
def test_a_command_that_fails_is_told_by_its_last_line(deployed, program, says):
    composed = Compose(["sh", "-c", program], deployed, {})
    with pytest.raises(StackError, match=says):
        composed.run("title", "up")
    with pytest.raises(StackError, match=says):
        composed.stream("title", lambda out: out.read(), "up")
    with pytest.raises(StackError, match=says):
        composed.feed("title", lambda into: into.write(b"x" * 2**20), "up")


def test_what_is_fed_arrives_whole_and_a_broken_source_ends_the_command(deployed):
    composed = Compose(["sh", "-c", "wc -c"], deployed, {})
    assert composed.feed("title", lambda into: into.write(b"x" * 2**20), "up").strip() == str(2**20)

    def broken(into):
        raise RuntimeError("the disk broke")

    with pytest.raises(RuntimeError, match="the disk broke"):
        composed.feed("title", broken, "up")


def test_rows_of_a_copy_are_counted_by_table():
    script = b"SET x;\nCOPY public.runs (a, b) FROM stdin;\n1\t2\n3\t4\n\\.\nCOPY public.tags (a) FROM stdin;\n\\.\n"
    assert list(database.copied(io.BytesIO(script))) == ["runs", "runs"]


def test_without_an_engine_the_embedded_deployment_is_meant_unless_the_stack_is_named(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert chosen.running_stack(None) is None
    assert chosen.running_stack(False) is None
    with pytest.raises(StackError, match="does not run: start it with `make up`"):
        chosen.running_stack(True)


@pytest.mark.parametrize("project", ["Upper", "a b", "-a", "a/b", "a" * 60])
def test_a_project_name_that_compose_refuses_is_told(monkeypatch, project):
    monkeypatch.setenv("SLIPWAY_PROJECT", project)
    with pytest.raises(SettingsError, match="can't name a stack: use small letters, digits"):
        stack.read()


def test_two_ports_that_are_one_are_told(monkeypatch):
    monkeypatch.setenv("AIRFLOW_PORT", "5051")
    monkeypatch.setenv("MLFLOW_PORT", "5051")
    with pytest.raises(SettingsError, match="AIRFLOW_PORT and MLFLOW_PORT are both 5051: change one of them"):
        stack.read()
