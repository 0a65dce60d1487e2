"""Keep each job.yaml's `parameters:` in step with the job's own typed model.

`python -m jobs.schemas --write` writes them; `--check` exits 1 and names those that differ.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import yaml
from pydantic import BaseModel

JOBS = Path(__file__).parent
_KEY = "parameters:\n"


def job_files(folder: Path = JOBS) -> list[Path]:
    """A job that is no Python has no model: its schema is written by hand."""
    return sorted(path for path in folder.glob("*/job.yaml") if path.with_name("parameters.py").is_file())


def generated(path: Path) -> str:
    """What the file should say: its handwritten top, and the schema of the model beside it."""
    model: type[BaseModel] = import_module(f"jobs.{path.parent.name}.parameters").Parameters
    top, found, _ = path.read_text(encoding="utf-8").partition(_KEY)
    if not found:
        raise SystemExit(f"{path} has no line 'parameters:': add it at the end, then run --write")
    schema = {_KEY.strip(":\n"): model.model_json_schema()}
    return top + yaml.safe_dump(schema, sort_keys=False, width=120, allow_unicode=True)


def differing(folder: Path = JOBS) -> list[Path]:
    return [path for path in job_files(folder) if path.read_text(encoding="utf-8") != generated(path)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.schemas", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    stale = differing()
    done = "written" if options.write else "differs: run python -m jobs.schemas --write"
    for path in stale:
        if options.write:
            path.write_text(generated(path), encoding="utf-8")
        sys.stdout.write(f"{path.parent.name}/{path.name} {done}\n")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
