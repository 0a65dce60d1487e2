"""What goes into an image, and what each Dockerfile promises."""

import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from images import buildx, debian, dotenv, lock
from images.recipe import ROOT, BuildError, copied_files, file_hash, inputs_hash, read_lock, stage_context

IMAGES = ["base", "data", "model", "shell", "mlflow", "airflow", "postgres", "store"]
PARENT = "sha256:parent"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what images are built from, to change things in."""
    for folder in ("images", "jobs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def hashes(root: Path) -> dict[str, str]:
    return {name: inputs_hash(recipe, PARENT) for name, recipe in read_lock(root).items()}


def changed_by(checkout: Path, path: str) -> list[str]:
    before = hashes(checkout)
    (checkout / path).write_text("changed = True\n")
    after = hashes(checkout)
    return [name for name in IMAGES if before[name] != after[name]]


def test_the_lock_names_every_image_folder() -> None:
    assert sorted(read_lock()) == sorted(IMAGES)
    assert sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile")) == sorted(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_a_dockerfile_ends_as_the_job_user_and_pins_what_it_starts_from(name: str) -> None:
    text = (ROOT / "images" / name / "Dockerfile").read_text()
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert "latest" not in text
    assert not re.search(r"^#\s*syntax\s*=", text, re.MULTILINE)
    assert re.findall(r"^ARG BASE_IMAGE=(.+)$", text, re.MULTILINE) == ([] if name != "base" else [official()])


def official() -> str:
    assert re.fullmatch(r"python:3\.13-slim-\w+@sha256:[0-9a-f]{64}", debian.official())
    return debian.official()


@pytest.mark.parametrize("name", IMAGES)
def test_the_lock_has_the_hash_of_the_requirements(name: str) -> None:
    assert read_lock()[name].lock == file_hash(ROOT / "images" / name / "requirements.txt")


def test_a_lock_that_is_not_the_named_one_is_refused(checkout: Path) -> None:
    (checkout / "images/data/requirements.txt").write_text("boto3==1\n")
    with pytest.raises(BuildError, match=r"images/data/requirements\.txt .* run `make lock`"):
        read_lock(checkout)


def test_renewing_the_lock_changes_one_line_and_only_its_hash(checkout: Path) -> None:
    before = (checkout / "images/images.lock").read_text().splitlines()
    old = read_lock(checkout)["data"].lock
    (checkout / "images/data/requirements.txt").write_text("boto3==1\n")
    lock.write_hashes(checkout)
    after = (checkout / "images/images.lock").read_text().splitlines()
    differing = [(left, right) for left, right in zip(before, after, strict=True) if left != right]
    assert [
        (left.replace(old, ""), right.replace(read_lock(checkout)["data"].lock, "")) for left, right in differing
    ] == [('data: {version: 0.1.0, lock: "", digest: null}',) * 2]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("jobs/ingest/__main__.py", ["data"]),
        ("jobs/train/__main__.py", ["model"]),
        ("jobs/predict/new_file.py", ["model"]),
        ("jobs/errors.py", ["data", "model"]),
        ("jobs/checksums/checksums.sh", ["shell"]),
        ("images/mlflow/healthcheck.py", ["mlflow"]),
        ("images/base/install-lock.sh", ["base"]),
        ("images/airflow/variables.py", ["airflow"]),
        ("images/postgres/install.sh", ["postgres"]),
        ("images/postgres/roles.sql", ["postgres"]),
        ("images/store/proof.py", ["store"]),
    ],
)
def test_a_change_renews_the_images_it_goes_into(checkout: Path, path: str, expected: list[str]) -> None:
    assert changed_by(checkout, path) == expected


def test_bytecode_is_no_input(checkout: Path) -> None:
    (checkout / "jobs/__pycache__").mkdir()
    assert changed_by(checkout, "jobs/__pycache__/errors.cpython-313.pyc") == []


def test_the_parent_and_the_version_are_inputs() -> None:
    recipe = read_lock()["model"]
    assert inputs_hash(recipe, "sha256:other") != inputs_hash(recipe, PARENT)


def test_a_build_sees_only_what_its_dockerfile_copies(tmp_path: Path) -> None:
    recipe = read_lock()["data"]
    stage_context(recipe, tmp_path)
    staged = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    expected = [path.relative_to(ROOT) for path in [recipe.dockerfile, *copied_files(recipe)]]
    assert staged == sorted(expected)
    assert not [path for path in staged if "train" in path.parts]


def test_an_unreachable_engine_is_one_line_and_exit_69(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / "images/build.py"],
        env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (69, "")
    assert re.fullmatch(r".*(engine is not reachable|no docker command).*\n", answer.stderr)


def test_the_record_of_local_images_holds_full_ids() -> None:
    record = ROOT / "images/images.local.json"
    if not record.is_file():
        pytest.skip("no image was built in this checkout")
    known = json.loads(record.read_text())
    assert [name for name, value in known.items() if not re.fullmatch(r"sha256:[0-9a-f]{64}", value)] == []


@pytest.fixture
def dotenv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An env file as `.env.example` offers it, where the environment sets nothing."""
    for name in ("SLIPWAY_CA_FILE", "SLIPWAY_BASE_IMAGE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(dotenv, "FILE", tmp_path / ".env")
    authority = tmp_path / "company.pem"
    authority.write_text("")
    (tmp_path / ".env").write_text(f'SLIPWAY_CA_FILE="{authority}"\nSLIPWAY_BASE_IMAGE=company/python:none\n')
    return authority


def test_a_build_takes_the_authority_from_the_env_file(dotenv_file: Path, tmp_path: Path) -> None:
    assert f"id=ca,src={dotenv_file}" in buildx.secrets(tmp_path, offline=True)


def test_a_build_takes_its_ground_from_the_env_file(dotenv_file: Path) -> None:
    with pytest.raises(BuildError, match="SLIPWAY_BASE_IMAGE=company/python:none is not on this engine"):
        debian.base_image(print, offline=True, again=False)


def test_the_environment_wins_over_the_env_file(
    dotenv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("")
    monkeypatch.setenv("SLIPWAY_CA_FILE", str(other))
    assert f"id=ca,src={other}" in buildx.secrets(tmp_path, offline=True)


def test_two_builds_at_once_fetch_a_missing_builder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(package: str, suite: str, folder: Path) -> None:
        fetched.append(package)
        time.sleep(0.2)
        (folder / buildx.PACKAGED).parent.mkdir(parents=True)
        (folder / buildx.PACKAGED).touch()

    monkeypatch.setattr(buildx, "STANDALONE", tmp_path / "docker-buildx")
    monkeypatch.setattr(buildx.engine, "docker", lambda *_: SimpleNamespace(returncode=1))
    monkeypatch.setattr(buildx.packages, "can_fetch", lambda: True)
    monkeypatch.setattr(buildx.packages, "fetch", fetch)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(buildx.command, [False, False]))
    assert (fetched, found) == (["docker-buildx"], [[str(tmp_path / "docker-buildx")]] * 2)
