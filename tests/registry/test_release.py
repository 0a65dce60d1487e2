"""Images into a real registry, and their digests into images.lock."""

import json
import re

import pytest
import small_images

from slipway import cli, image_refs

pytestmark = pytest.mark.containers


@pytest.fixture
def release(server, images):
    def run(*words):
        return cli.main(["release", "--registry", server.prefix, *words])

    return run


def test_a_release_writes_the_digest_into_its_line_and_leaves_the_rest(release, server, images, capsys):
    assert release() == 0
    text = (images / "images.lock").read_text()
    digest = re.search(r'digest: "(.*)"', text)[1]
    assert re.fullmatch(rf"{server.prefix}/slipway-data@sha256:[0-9a-f]{{64}}", digest)
    assert text.replace(f'"{digest}"', "null") == small_images.LOCK
    printed = capsys.readouterr().out
    assert "image model was not built here: left as it is" in printed
    assert f"{server.prefix}/slipway-data:0.1.0 … sha256:" in printed


def test_a_second_release_of_the_same_builds_changes_nothing(release, images):
    assert release() == 0
    text = (images / "images.lock").read_text()
    assert (release(), (images / "images.lock").read_text()) == (0, text)


def test_a_version_that_the_registry_holds_is_never_another_build(release, client, images, capsys):
    assert release() == 0
    text = (images / "images.lock").read_text()
    other = small_images.build(client, "other")
    (images / "images.local.json").write_text(json.dumps({"data": other}))
    assert release() == 65
    small_images.remove(client, other)
    told = capsys.readouterr().err
    assert "slipway-data:0.1.0 is in the registry already, as another build" in told
    assert "give data a new version in images.lock" in told
    assert (images / "images.lock").read_text() == text


@pytest.mark.parametrize("revision", ["abc1234-dirty", "uncommitted"])
def test_a_build_of_uncommitted_changes_is_released_only_when_asked_for(release, client, images, capsys, revision):
    dirty = small_images.build(client, "dirty", **{image_refs.REVISION: revision})
    (images / "images.local.json").write_text(json.dumps({"data": dirty}))
    assert release() == 65
    assert f"built from changes that are in no commit ({revision})" in capsys.readouterr().err
    assert release("--allow-dirty") == 0
    small_images.remove(client, dirty)


def test_a_build_of_another_version_than_the_lock_names_is_not_released(release, images, capsys):
    (images / "images.lock").write_text(small_images.LOCK.replace("data: {version: 0.1.0", "data: {version: 0.2.0"))
    assert release() == 69
    assert "image data on this engine is version 0.1.0" in capsys.readouterr().err


@pytest.mark.parametrize("config", ["{}", "expired"])
def test_a_release_without_a_valid_login_is_one_line(release, server, images, tmp_path, capsys, config):
    text = server.login("renewed") if config == "expired" else config
    (tmp_path / "docker" / "config.json").write_text(text)
    assert release() == 77
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"registry {server.address} refuses the login" in lines[0]
    assert f"`docker login {server.address}`" in lines[0]
    assert (images / "images.lock").read_text() == small_images.LOCK


def test_a_registry_that_is_away_is_one_line(release, server, capsys):
    server.stop()
    assert release() == 69
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"registry {server.address} did not answer" in lines[0]


@pytest.mark.parametrize("address", ["", "https://registry.example.com", "registry/Team"])
def test_what_is_no_address_of_a_registry_is_refused(images, capsys, address):
    assert cli.main(["release", "--registry", address]) == 65
    assert "write it as registry.example.com/team" in capsys.readouterr().err
