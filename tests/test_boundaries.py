"""The arrows of the design: dags → plugins/slipway → airflow; jobs/<job> → jobs/<noun>; nothing else."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import settings

ROOT = settings.ROOT
JOBS = sorted(path.parent.name for path in (ROOT / "jobs").glob("*/job.yaml"))
FOLDERS = ("dags", "plugins", "jobs", "images")


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def other_jobs_imported(root: Path) -> list[str]:
    """`job: import` for each import of one job by another, or by a noun that all of them share."""
    found = []
    for path in sorted((root / "jobs").rglob("*.py")):
        own = path.relative_to(root / "jobs").parts[0]
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "jobs" and len(parts) > 1 and parts[1] in JOBS and parts[1] != own:
                found.append(f"{own}: {name}")
    return found


def lint(root: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID",
        "--output-format",
        "concise",
        ".",
    ]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def copy(tmp_path):
    """The code in a folder where a violation can be planted."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(path: Path, line: str) -> None:
    path.write_text(path.read_text() + f"\n{line}\n")


def test_no_job_imports_another():
    assert other_jobs_imported(ROOT) == []


def test_no_folder_imports_what_it_may_not():
    assert "All checks passed" in lint(ROOT)


@pytest.mark.parametrize(
    ("place", "line", "name"),
    [
        ("dags/train.py", "import pandas", "`pandas` is banned"),
        ("dags/train.py", "from jobs.train import train", "`jobs` is banned"),
        ("dags/train.py", "import mlflow", "`mlflow` is banned"),
        ("plugins/slipway/pipelines.py", "from sklearn import metrics", "`sklearn` is banned"),
        ("plugins/slipway/pipelines.py", "from jobs import lake", "`jobs` is banned"),
        ("plugins/slipway/pipelines.py", "import mlflow", "`mlflow` is banned"),
        ("jobs/lake.py", "from airflow.sdk import Variable", "`airflow` is banned"),
        ("jobs/lake.py", "import slipway.settings", "`slipway` is banned"),
        ("jobs/lake.py", "from . import errors", "TID252"),
    ],
)
def test_a_planted_violation_is_caught(copy, place, line, name):
    plant(copy / place, line)
    assert name in lint(copy)


def test_a_planted_import_of_another_job_is_caught(copy):
    plant(copy / "jobs" / "train" / "train.py", "from jobs.predict import predict")
    assert other_jobs_imported(copy) == ["train: jobs.predict.predict"]


def test_no_module_of_the_plugin_is_named_like_one_of_pythons():
    own = {path.stem for path in (ROOT / "plugins").rglob("*.py")} - {"__init__"}
    assert sorted(own & sys.stdlib_module_names) == []


BANNED = {
    "utils",
    "common",
    "helper",
    "helpers",
    "manager",
    "base",
    "core",
    "misc",
    "data2",
    "df",
    "tmp",
    "t1",
    "handle",
}


def names_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    taken = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return defined | stored | taken | {path.stem}


def test_no_name_hides_what_it_means():
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 20
    assert {str(path.relative_to(ROOT)): found for path in paths if (found := names_of(path) & BANNED)} == {}


def test_no_exception_without_a_class_of_its_own():
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in paths if "raise Exception" in path.read_text()] == []


def test_modules_stay_small():
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert {str(path): lines for path in paths if (lines := len(path.read_text().splitlines())) > 300} == {}


def test_nothing_that_runs_is_named_by_a_moving_tag():
    tracked = subprocess.run(["git", "ls-files", *FOLDERS, "Makefile", ".ci"], cwd=ROOT, capture_output=True, text=True)
    texts = [ROOT / name for name in tracked.stdout.split() if not name.endswith("requirements.txt")]
    assert len(texts) > 20
    moving = re.compile(r":\s*latest\b")
    assert [str(path) for path in texts if path.is_file() and moving.search(path.read_text(errors="replace"))] == []
