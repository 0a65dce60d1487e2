"""One run of a job as a process in this virtual environment: for laptops and CI without an engine."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import cast

from slipway import log_lines, settings
from slipway.container import STOP_SECONDS, Log
from slipway.contracts import Contract
from slipway.ended import Ended
from slipway.errors import SettingsError
from slipway.job_inputs import JobRequest
from slipway.settings import Settings

CHUNK_BYTES = 65536
# What a program needs to run at all; everything else comes from the Variable, as in a container.
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SYSTEMROOT")


class Process:
    """A child process for one try of a task; `stop` may be called from a signal handler."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self.stopped = False

    def run(self, request: JobRequest, log: Log) -> Ended:
        """Run the job to its end and collect what it left; its folder goes with it."""
        with tempfile.TemporaryDirectory(prefix="slipway-job-") as name:
            folder = Path(name)
            fill(folder, request)
            try:
                exit_code = self.follow(folder, request, log)
            finally:
                self.stop()
            outputs = folder / "out" / "outputs.json"
            return Ended(exit_code, outputs.read_text(encoding="utf-8") if outputs.is_file() else None)

    def follow(self, folder: Path, request: JobRequest, log: Log) -> int:
        # Nobody stops what is not there yet, so a stop that came early is honoured here.
        if self.stopped:
            return 143
        self.child = subprocess.Popen(
            [sys.executable, "-m", f"jobs.{request.job}", "--inputs", str(folder / "in" / "inputs.json")],
            cwd=settings.read().jobs.parent,
            env=environment(folder, request),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with cast(BufferedReader, self.child.stdout) as stream:
            lines = log_lines.Lines(request.secrets.values())
            for chunk in iter(partial(stream.read1, CHUNK_BYTES), b""):
                for line in lines.feed(chunk):
                    log(line)
            for line in lines.end():
                log(line)
        return shell_code(self.child.wait())

    def stop(self) -> None:
        """Ask the job's process group to end, then end it."""
        self.stopped = True
        if self.child is None or self.child.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)


def check(contract: Contract, deployed: Settings) -> None:
    """Raises SettingsError where a job can't run without an engine."""
    if contract.command[:2] != ("python", "-m"):
        raise SettingsError(f"{contract.job} is no Python module: it runs in a container only")
    if not (deployed.jobs / contract.job / "__main__.py").is_file():
        raise SettingsError(f"SLIPWAY_RUNTIME=process, but {deployed.jobs} holds no code: a bundle needs docker")


def shell_code(returned: int) -> int:
    """A death by signal N as 128 + N, as containers report it."""
    return 128 - returned if returned < 0 else returned


def environment(folder: Path, request: JobRequest) -> dict[str, str]:
    """The environment of the child: no name of Airflow's reaches a job."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {"PYTHONUNBUFFERED": "1", "SLIPWAY_SCRATCH": str(folder / "scratch")}
    return {**kept, **own, **request.environment}


def code_of(job: str) -> str:
    """What stands for the image's revision where there is no image: a hash of the job's own code."""
    jobs = settings.read().jobs
    files = sorted([*jobs.glob("*.py"), *(jobs / job).rglob("*.py")])
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(jobs)}\0".encode() + path.read_bytes())
    return f"files-{digest.hexdigest()[:12]}"


def fill(folder: Path, request: JobRequest) -> None:
    """The folders that a container has under `/job`."""
    for name in ("in", "secrets", "out", "scratch"):
        (folder / name).mkdir(mode=0o700)
    (folder / "in" / "inputs.json").write_text(json.dumps(request.inputs, indent=2), encoding="utf-8")
    for name, value in request.secrets.items():
        path = folder / "secrets" / name
        path.touch(mode=0o400)
        path.chmod(0o600)
        path.write_text(value, encoding="utf-8")
        path.chmod(0o400)
