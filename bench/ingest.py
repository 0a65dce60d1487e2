"""How long ingest takes for a CSV file, and how much memory, against pandas.read_csv and one Delta write.

Each side runs in a process of its own, in turn; printed are ratios of medians (ours / the baseline's). The baseline
checks nothing, keeps no quarantine and compares no content: the ratio is the price of those.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = """
import sys, pandas
from deltalake import write_deltalake
rows = pandas.read_csv(sys.argv[1], parse_dates=["day"])
rows["day"] = rows["day"].dt.date
write_deltalake(sys.argv[2], rows, partition_by=["day"])
"""


def write_csv(path: Path, rows: int) -> None:
    """Hourly rows of as many days as it takes."""
    with path.open("w", encoding="utf-8") as file:
        file.write("day,hour,warm,demand\n")
        for place in range(rows):
            day = date(2000, 1, 1) + timedelta(days=place // 1000)
            file.write(f"{day},{place % 1000},{place % 37 / 2},{place % 211}\n")


def inputs(round_number: int) -> dict[str, object]:
    columns = {"day": "date", "hour": "integer", "warm": "number", "demand": "integer"}
    run = {"dag_id": "bench", "run_id": f"r{round_number}", "task_id": "ingest", "requested_at": "2026-01-01T00:00:00"}
    return {
        "slipway": 1,
        "job": "ingest",
        "pipeline": "bench",
        "parameters": {"source": {"files": "rows.csv"}, "columns": columns, "day": "day", "key": ["day", "hour"]},
        "run": run,
        "image": {"name": "data"},
    }


def measured(command: list[str], environment: dict[str, str], folder: Path) -> tuple[float, float]:
    """Seconds, and the most memory in MiB, of one process."""
    # With a database for an address MLflow keeps artifacts in `mlruns` of the working folder.
    given = os.environ | environment | {"PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=given, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return time.perf_counter() - started, memory_mib(usage)


def memory_mib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def one_round(number: int, rows: Path, folder: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    lake = folder / f"lake-{number}"
    (lake / "landing").mkdir(parents=True)
    (lake / "landing" / "rows.csv").hardlink_to(rows)
    given = folder / f"inputs-{number}.json"
    given.write_text(json.dumps(inputs(number)), encoding="utf-8")
    services = {"LAKE_URI": str(lake), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    ours = measured([sys.executable, "-m", "jobs.ingest", "--inputs", str(given)], services, folder)
    return ours, measured([sys.executable, "-c", BASELINE, str(rows), str(folder / f"plain-{number}")], {}, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        write_csv(folder / "rows.csv", options.rows)
        # The first round pays for MLflow's new database and is not counted.
        rounds = [one_round(number, folder / "rows.csv", folder) for number in range(options.rounds + 1)][1:]
    for place, what in enumerate(("seconds", "peak MiB")):
        ours, plain = (statistics.median(one[side][place] for one in rounds) for side in (0, 1))
        print(f"ingest of {options.rows:,} rows, {what}: {ours:.1f} / {plain:.1f} = {ours / plain:.2f} of the baseline")


if __name__ == "__main__":
    main()
