"""All tests: two lanes side by side, since containers mostly wait, then alone what replaces images or a network.

Whatever stands on the command line goes to each pytest. A lane's output is shown when the lane has ended.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Jobs are tested without Airflow in the process, as they run.
LANES = (
    (("tests/jobs",), ("tests/e2e",)),
    (("tests/test_boundaries.py", "tests/test_compose_file.py"), ("tests/dags", "tests/plugins"), ("tests/faults",)),
)
ALONE = (("tests/bundle", "tests/images", "tests/registry", "tests/stack"),)
# None of the tests in a folder was asked for.
NONE_CHOSEN = 5


def pytest(paths, options, output=None):
    command = [sys.executable, "-m", "pytest", *paths, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT if output else None)


class Lane:
    """Some folders one after the other, each in a process of its own, with their output in a file."""

    def __init__(self, name, steps, options):
        self.name, self.steps, self.options = name, list(steps), options
        self.output = Path(tempfile.mkdtemp(prefix="slipway-lane-")) / "output"
        self.codes, self.running = [], None

    def goes_on(self):
        """Whether something of it still runs; the next step begins where one has ended."""
        if self.running is not None and self.running.poll() is None:
            return True
        if self.running is not None:
            self.codes.append(self.running.returncode)
            self.running = None
        if not self.steps:
            return False
        with self.output.open("ab") as output:
            self.running = pytest(self.steps.pop(0), self.options, output)
        return True

    def show(self):
        print(f"\n##### {self.name}", flush=True)
        sys.stdout.buffer.write(self.output.read_bytes())
        sys.stdout.flush()


def side_by_side(options):
    going = [Lane(" ".join(path for step in steps for path in step), steps, options) for steps in LANES]
    codes, told = [], time.monotonic()
    while going:
        for lane in [one for one in going if not one.goes_on()]:
            lane.show()
            codes += lane.codes
            going.remove(lane)
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"running {' and '.join(lane.name for lane in going)}", flush=True)
        time.sleep(0.2)
    return codes


def images():
    """Built once: two lanes would build the same ones at the same time."""
    from conftest import why_no_containers

    if why_no_containers():
        return 0
    names = ("data", "model", "shell", "mlflow")
    return subprocess.run([sys.executable, ROOT / "images" / "build.py", *names], check=False).returncode


def main(options):
    sys.path.insert(0, str(ROOT / "tests"))
    if code := images():
        return code
    codes = side_by_side(options)
    codes += [pytest(paths, options).wait() for paths in ALONE]
    return 0 if set(codes) <= {0, NONE_CHOSEN} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
