"""`.env` is completed, never rewritten; what can't be used is named with its line."""

import os
import stat

import pytest

from slipway.errors import EnvFileError
from slipway.stack import env_file, secret_values


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env"


def completed(path):
    given = env_file.read(path)
    env_file.complete(path, secret_values.missing(given, path))
    return {name: setting.value for name, setting in env_file.read(path).items()}


def test_a_first_start_makes_all_secrets_each_different_and_private(path):
    made = completed(path)
    assert sorted(made) == sorted(secret_values.LENGTHS)
    assert len(set(made.values())) == len(made)
    assert {name: len(value) for name, value in made.items()} == secret_values.LENGTHS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret_values.check(env_file.read(path), path)


def test_existing_lines_stay_as_they_are_and_an_empty_value_counts_as_missing(path):
    path.write_text("# mine\nMLFLOW_PORT=1\nMLFLOW_DB_PASSWORD=\nexport AIRFLOW_PORT='8081'")
    path.chmod(0o644)
    before = path.read_text()
    made = completed(path)
    assert path.read_text().startswith(before + "\n")
    assert (made["AIRFLOW_PORT"], len(made["MLFLOW_DB_PASSWORD"])) == ("8081", 32)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_complete_file_lacks_nothing(path):
    completed(path)
    assert secret_values.missing(env_file.read(path), path) == {}


def test_a_file_behind_a_link_is_completed_where_it_is(path, tmp_path):
    (tmp_path / "elsewhere").write_text("MLFLOW_PORT=1\n")
    path.symlink_to(tmp_path / "elsewhere")
    completed(path)
    assert path.is_symlink()
    assert "MLFLOW_DB_PASSWORD=" in (tmp_path / "elsewhere").read_text()


def test_a_break_off_while_writing_leaves_the_file_as_it_was(path, monkeypatch):
    path.write_text("MLFLOW_PORT=1\n")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(EnvFileError, match=r"disk full.*: it is as it was"):
        env_file.complete(path, {"A": "b"})
    assert {found.name: found.read_text() for found in path.parent.iterdir()} == {".env": "MLFLOW_PORT=1\n"}


@pytest.mark.parametrize(
    "line", ["AIRFLOW_FERN", "MLFLOW_DB_PASSWORD='abc", "just words", "MLFLOW_PORT=1\x00", "NAME WITH SPACE=1"]
)
def test_a_line_that_is_no_setting_is_named_with_file_and_line(path, line):
    path.write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(EnvFileError, match=rf"{path}:3: this is no `NAME=value` line: complete it, or remove it"):
        env_file.read(path)


def test_a_file_that_is_no_text_is_told(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EnvFileError, match=r"can.t be read .*restore it from a backup"):
        env_file.read(path)


def test_two_values_of_one_name_are_told_with_both_lines(path):
    path.write_text("MLFLOW_PORT=1\nMLFLOW_PORT=2\n")
    with pytest.raises(EnvFileError, match=r":2: MLFLOW_PORT has another value in line 1"):
        env_file.read(path)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("MLFLOW_DB_PASSWORD=changeme-please", r":1: MLFLOW_DB_PASSWORD is a placeholder"),
        ("MLFLOW_DB_PASSWORD=abc", r":1: MLFLOW_DB_PASSWORD has fewer than 12 characters"),
        ("AIRFLOW_FERNET_KEY=bm90LWxvbmctZW5vdWdo", r":1: AIRFLOW_FERNET_KEY is not 32 bytes .*halfway"),
        (
            "A=1\nSTORE_ROOT_KEY=ab3cd4ef5gh6\nS3_ACCESS_KEY=ab3cd4ef5gh6",
            r":3: S3_ACCESS_KEY is the same as STORE_ROOT_KEY in line 2",
        ),
    ],
)
def test_a_secret_that_guards_nothing_is_refused(path, lines, says):
    path.write_text(lines)
    with pytest.raises(EnvFileError, match=says):
        secret_values.check(env_file.read(path), path)


def test_a_store_of_ones_own_needs_its_keys_and_may_have_any(path):
    path.write_text("S3_ENDPOINT_URL=http://s3\nS3_ACCESS_KEY=minioadmin\n")
    with pytest.raises(EnvFileError, match="S3_SECRET_KEY of its bucket is missing: add it"):
        secret_values.missing(env_file.read(path), path)
    secret_values.check(env_file.read(path), path)
