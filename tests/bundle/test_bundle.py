"""What a bundle holds, and what it says where it can't be."""

import ast
import importlib.metadata
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from slipway import bundle, cli, settings
from slipway.errors import BundleError, ImageMissingError

NAME = f"slipway-{importlib.metadata.version('slipway')}"


@pytest.fixture
def deployed(tmp_path):
    """This checkout with images of whom all were built, and all but one released."""
    images = tmp_path / "images"
    images.mkdir()
    line = '{{version: 0.1.0, lock: "sha256:aa", digest: {}}}\n'
    (images / "images.lock").write_text(
        "".join(f"{name}: " + line.format(f'"r.example/slipway-{name}@sha256:cc"') for name in ("data", "shell"))
        + ("model: " + line.format("null"))
    )
    built = {"data": "sha256:1", "model": "sha256:2", "shell": "sha256:3", "mlflow": "x"}
    (images / "images.local.json").write_text(json.dumps(built))
    return replace(settings.read(), images=images)


@pytest.fixture
def written(tmp_path, deployed):
    bundle.run(tmp_path / "dist", True, deployed)
    return tmp_path / "dist" / NAME


def test_a_bundle_is_two_folders_with_contracts_and_image_references_inside(written):
    assert sorted(path.name for path in written.iterdir()) == ["LICENSE", "README.md", "dags", "plugins"]
    carried = written / "plugins" / "slipway" / "bundled"
    jobs = sorted(path.parent.name for path in (carried / "jobs").glob("*/job.yaml"))
    assert jobs == sorted(path.parent.name for path in (settings.ROOT / "jobs").glob("*/job.yaml"))
    assert json.loads((carried / "images" / "images.local.json").read_text()) == {
        "data": "sha256:1",
        "model": "sha256:2",
        "shell": "sha256:3",
    }
    assert (written / "dags" / "pipelines" / "bike_demand.yaml").is_file()
    assert sorted(path.name for path in (written / "dags").glob("*.py")) == [
        "ingest.py",
        "predict.py",
        "reap.py",
        "train.py",
    ]


def test_the_zip_holds_the_same_files(written):
    with zipfile.ZipFile(written.with_name(f"{NAME}.zip")) as archive:
        held = sorted(archive.namelist())
    assert held == sorted(path.relative_to(written.parent).as_posix() for path in written.rglob("*") if path.is_file())
    assert len(held) > 30


def test_nothing_in_a_bundle_imports_what_is_left_out(written):
    package = written / "plugins" / "slipway"
    held = {path.stem for path in package.glob("*.py")}
    assert {"dag_factory", "job_operator", "web"} <= held
    missing = [
        f"{path.name}: {name}"
        for path in [*written.rglob("*.py")]
        for name in own_imports(path)
        if name not in held | {"__init__"}
    ]
    assert missing == []


def own_imports(path):
    """The modules of the package that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "slipway":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("slipway."):
            yield node.module.split(".")[1]


def test_the_modules_of_the_command_and_of_services_are_left_out(written):
    held = {path.name for path in (written / "plugins" / "slipway").iterdir()}
    assert held & {"cli.py", "embedded", "stack", "bundle.py", "release.py", "__pycache__"} == set()


def test_an_image_without_a_digest_is_refused_with_what_to_do(tmp_path, deployed):
    with pytest.raises(ImageMissingError, match=r"no digest of model: `make release REGISTRY=…` first, or .*--local"):
        bundle.run(tmp_path / "dist", False, deployed)
    assert not (tmp_path / "dist").exists()


def test_a_bundle_of_released_images_names_no_build_of_this_machine(tmp_path, deployed):
    lock = deployed.images / "images.lock"
    lock.write_text(lock.read_text().replace("null", '"r.example/slipway-model@sha256:dd"'))
    bundle.run(tmp_path / "dist", False, deployed)
    assert not list((tmp_path / "dist").rglob("images.local.json"))


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path, deployed):
    theirs = tmp_path / "dist" / NAME / "theirs.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("x")
    with pytest.raises(BundleError, match="is there and is no bundle: give another folder"):
        bundle.run(tmp_path / "dist", True, deployed)
    assert theirs.read_text() == "x"


def test_a_second_bundle_takes_the_place_of_the_first_and_is_the_same_to_the_byte(written, deployed):
    archive = written.with_name(f"{NAME}.zip")
    before = archive.read_bytes()
    (written / "plugins" / "slipway" / "left.py").write_text("")
    bundle.run(written.parent, True, deployed)
    assert archive.read_bytes() == before
    assert not (written / "plugins" / "slipway" / "left.py").exists()


def test_the_command_ends_with_the_faults_own_code(tmp_path, deployed, monkeypatch, capsys):
    monkeypatch.setenv("SLIPWAY_IMAGES", str(deployed.images))
    assert cli.main(["bundle", str(tmp_path / "dist")]) == 69
    assert capsys.readouterr().err.startswith("slipway: images.lock has no digest of model")


OLD = """
import importlib.metadata as metadata, sys
installed = metadata.version
metadata.version = lambda name: {"apache-airflow-core": sys.argv[2]}.get(name) or installed(name)
sys.path.insert(0, sys.argv[1])
try:
    import slipway.dag_factory
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("version", ["3.2.9", "3.0.6", "2.11.0"])
def test_an_older_airflow_gets_one_clear_line(written, version):
    command = [sys.executable, "-c", OLD, str(written / "plugins"), version]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"Slipway needs Airflow 3.3 or newer, this is {version}\n"


FOUND = """
import sys
sys.path.insert(0, sys.argv[1])
from slipway import settings
deployed = settings.read()
print(settings.__file__, deployed.jobs, deployed.images, *deployed.pipelines, sep="\\n")
"""


def test_a_mounted_bundle_finds_its_contracts_wherever_its_folders_are(written, tmp_path):
    shutil.move(written / "plugins", tmp_path / "elsewhere")
    done = subprocess.run(
        [sys.executable, "-c", FOUND, str(tmp_path / "elsewhere")], capture_output=True, text=True, check=True
    )
    package = tmp_path / "elsewhere" / "slipway"
    # Without a DAG file that asks, pipelines are looked for where this Airflow has its DAGs.
    assert done.stdout.splitlines()[-4:] == [
        str(package / "settings.py"),
        str(package / "bundled" / "jobs"),
        str(package / "bundled" / "images"),
        str(settings.ROOT / "dags" / "pipelines"),
    ]
