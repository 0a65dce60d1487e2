"""What breaks off on the way is taken back, and what stays is named."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from docker.errors import APIError, NotFound

from slipway import cli, settings
from slipway.embedded import engine_project
from slipway.errors import BackupError, EnvFileError, StackError
from slipway.stack import (
    backup,
    compose,
    containers,
    host,
    objects,
    restore,
    secret_values,
    stack,
    starting,
    stopping,
    upgrade,
)


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    for name in ("SLIPWAY_PROJECT", "MLFLOW_PORT", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".env"


@pytest.fixture
def deployed():
    return stack.Stack(settings.read(), 28080, {})


def test_down_finds_its_stack_beside_a_setting_that_it_does_not_need(env_file, monkeypatch):
    monkeypatch.setattr(settings, "own_dags", lambda: env_file.parent)
    env_file.write_bytes(b"# \xe9t\xe9\nSLIPWAY_PROJECT=mine\nMLFLOW_PORT=many\n")
    assert stack.read_loosely().name == "mine-stack"


def test_a_store_that_the_environment_names_needs_its_keys_in_the_file(env_file, monkeypatch):
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://s3")
    with pytest.raises(EnvFileError, match="S3_ACCESS_KEY and S3_SECRET_KEY of its bucket are missing"):
        secret_values.missing({}, env_file)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit, OSError, StackError])
def test_a_restore_that_breaks_off_is_emptied_whatever_broke_it(deployed, monkeypatch, fault):
    removed = []
    monkeypatch.setattr(starting, "start", lambda *_: (_ for _ in ()).throw(fault()))
    monkeypatch.setattr(stopping, "down", lambda stack, volumes: removed.append(volumes))
    with pytest.raises(fault):
        restore.fill_or_empty(None, compose.Compose([], deployed, {}), None, None)
    assert removed == [True]


def test_a_full_bucket_is_refused_before_a_database_is_filled(deployed, monkeypatch, capsys):
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://s3")
    monkeypatch.setattr(starting, "start", lambda *_: None)
    monkeypatch.setattr(stopping, "down", lambda stack, volumes: [])
    monkeypatch.setattr(objects, "listed", lambda composed: {"lake/there": 1})
    with pytest.raises(BackupError, match=r"has lake/there\): empty the bucket, or name another S3_BUCKET"):
        restore.fill_or_empty(None, compose.Compose([], deployed, {}), None, None)
    assert "but for the bucket slipway: see that it is empty" in capsys.readouterr().out


def refusing(name):
    raise NotFound("gone") if name == "gone" else APIError("409", explanation="in use")


def test_what_is_in_use_is_a_fault_of_down_and_what_is_gone_is_not_told(deployed, monkeypatch):
    refused = []
    kept = engine_project.remove(refusing, {"gone": "volume gone", "held": "volume held"}, refused)
    assert (kept, refused) == ([], ["volume held (in use)"])
    client = SimpleNamespace(containers=lambda **_: [], networks=lambda **_: [])
    client.remove_volume = client.remove_network = refusing
    client.volumes = lambda filters: {"Volumes": [{"Name": "held", "Labels": {}}]}
    monkeypatch.setattr(host, "connect", lambda: nullcontext(client))
    with pytest.raises(StackError, match=r"^not removed: volume held \(in use\): end what uses it"):
        stopping.down(deployed, volumes=True)


def test_an_upgrade_stops_before_it_saves_and_starts_again_without_a_backup(deployed, monkeypatch):
    did = []
    found = [SimpleNamespace(name=n, container_id=n, state={"Running": n != "mlflow"}) for n in ("scheduler", "mlflow")]
    monkeypatch.setattr(containers, "services", lambda *_: [*found, SimpleNamespace(name="postgres")])
    monkeypatch.setattr(stopping, "stop", lambda client, stack, stopped: did.append([each.name for each in stopped]))
    monkeypatch.setattr(backup, "backup", lambda *_: (_ for _ in ()).throw(BackupError("full")))
    with pytest.raises(BackupError, match="full"):
        upgrade.save_stopped(SimpleNamespace(start=did.append), deployed)
    assert did == [["scheduler", "mlflow"], "scheduler"]


def test_a_place_that_may_not_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match=r"can't be made \(.*\): name a folder that can"):
        backup.check_place(tmp_path / "file" / "one" / "two")
    monkeypatch.setattr(backup.os, "access", lambda *_: False)
    with pytest.raises(BackupError, match="may not be written"):
        backup.check_place(tmp_path / "one")


@pytest.mark.parametrize(("word", "says"), [("stop", "`make stop`"), ("up", "`make down`"), ("backup", "run it again")])
def test_after_an_interruption_the_next_step_fits_the_word(monkeypatch, capsys, word, says):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", lambda: SimpleNamespace(
        parse_args=lambda _: SimpleNamespace(word=word, run=interrupted)
    ))  # fmt: skip
    assert cli.main([]) == 130
    assert says in capsys.readouterr().err
