import json

import pytest

from slipway import image_refs
from slipway.errors import ContractError, ImageMissingError

LOCK = """
data: {version: 0.1.0, lock: 'sha256:aa', digest: null}
model: {version: 2, lock: 'sha256:bb', digest: 'r/model@sha256:cc'}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images.lock").write_text(LOCK)
    return tmp_path


def test_an_image_built_here_comes_before_the_released_one(folder):
    (folder / "images.local.json").write_text(json.dumps({"model": "sha256:dd"}))
    assert image_refs.resolve("model", folder).reference == "sha256:dd"


def test_a_released_image_is_known_by_its_digest(folder):
    assert image_refs.resolve("model", folder).reference == "r/model@sha256:cc"


def test_an_image_that_was_never_built_says_how_to_build_it(folder):
    with pytest.raises(ImageMissingError, match=r"image data 0\.1\.0 was not built here: run `make images`"):
        image_refs.resolve("data", folder)


def test_an_image_without_a_line_in_the_lock_is_refused(folder):
    with pytest.raises(ContractError, match="image 'gpu' is not in"):
        image_refs.resolve("gpu", folder)


@pytest.mark.parametrize("text", ["{bad", "[1]"])
def test_a_list_of_builds_that_can_not_be_read_says_how_to_renew_it(folder, text):
    (folder / "images.local.json").write_text(text)
    with pytest.raises(ImageMissingError, match="`make images` writes it anew"):
        image_refs.resolve("data", folder)
