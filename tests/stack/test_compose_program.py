"""Compose v2 is found wherever it is, and where it is not one line says what to do."""

import pytest

from slipway.errors import ComposeMissingError
from slipway.stack import compose_program


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with nothing but what a test puts there, and no program fetched before."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compose_program, "FETCHED", tmp_path / "fetched")
    return tmp_path


def program(path, name, version, takes="version"):
    """A program that answers its version to this word, and fails otherwise."""
    script = f'#!/bin/sh\n[ "$1" = {takes} ] || exit 1\necho {version}\n'
    (path / name).write_text(script)
    (path / name).chmod(0o755)


def test_dockers_own_plugin_comes_first(path):
    program(path, "docker", "2.27.0", takes="compose")
    program(path, "docker-compose", "2.30.0")
    assert compose_program.words() == ["docker", "compose"]


def test_a_standalone_program_is_taken_where_docker_has_no_plugin(path):
    program(path, "docker", "2.27.0", takes="nothing")
    program(path, "docker-compose", "v2.20.2")
    assert compose_program.words() == ["docker-compose"]


def test_an_old_compose_is_named_with_what_to_install(path):
    program(path, "docker-compose", "1.29.2")
    with pytest.raises(ComposeMissingError, match=r"2.20 or newer is missing: `docker-compose` is 1.29.2.*install the"):
        compose_program.words(fetch=False)


def test_a_fetch_that_fails_says_why(path, monkeypatch, capsys):
    failing = path / "fetch.py"
    failing.write_text("raise SystemExit('no mirror here')")
    monkeypatch.setattr(compose_program, "FETCH", failing)
    with pytest.raises(ComposeMissingError, match=r"is missing \(no mirror here\): install the package"):
        compose_program.words()
    assert "fetching Debian's package" in capsys.readouterr().out


def test_a_version_of_two_digits_is_newer_than_one_of_one():
    assert [compose_program.new_enough(said) for said in ("2.9.0", "2.20.0", "5.0.1", "", "1.29.2")] == [
        False, True, True, False, False,
    ]  # fmt: skip
