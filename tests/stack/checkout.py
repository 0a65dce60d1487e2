"""A checkout of its own with a stack of its own: another project, free ports, a team's folder with one pipeline."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
UNPACK = ROOT.parent / "shared" / "rustfs" / "unpack"
TEAMS = ("north", "south")
CRON = '{ingest: "* * * * *", train: null, predict: null}'


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def docker(*words, check=True, env=None):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, env=env)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def log(container):
    """All that a container has printed; servers and tracebacks take the second stream."""
    done = subprocess.run(
        ["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def rustfs():
    """The folder with the store's program where one is to be had here; else the test is skipped with the reason."""
    if named := os.environ.get("SLIPWAY_RUSTFS"):
        return named
    kept = ROOT / ".slipway" / "rustfs"
    if not kept.is_dir():
        if not UNPACK.is_file():
            pytest.skip("SLIPWAY_RUSTFS names no folder with the program rustfs: the stack has no store to run")
        unpacked = kept.with_name(f"rustfs.{os.getpid()}")
        subprocess.run([UNPACK, unpacked], check=True)
        unpacked.replace(kept)
    return str(kept)


def wait_for(look, seconds):
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(1)
    return found


class Checkout:
    """The files that git knows, or would, in a folder of their own; `.env` as a person would write it."""

    def __init__(self, folder):
        self.root, self.seen = folder / "checkout", {}
        self.project = f"slipway-st{os.getpid()}-{secrets.token_hex(2)}"
        self.airflow_port, self.mlflow_port = free_port(), free_port()
        self.copy()
        # Half a year of it says as much as two, in a third of the time.
        self.edit("dags/pipelines/bike_demand.yaml", "start: 2023-01-01", "start: 2024-07-01")
        self.team = folder / "team"
        self.team.mkdir()
        text = (ROOT / "dags" / "pipelines" / "breast_cancer.yaml").read_text()
        (self.team / "tumours.yaml").write_text(text.replace("\nsource:", f"\nschedules: {CRON}\n\nsource:", 1))
        folders = [self.team, *(self.team_of(folder, name) for name in TEAMS)]
        self.write_env(SLIPWAY_PIPELINES=os.pathsep.join(map(str, folders)), SLIPWAY_RUSTFS=rustfs())

    @staticmethod
    def team_of(folder, name):
        """A folder with a team's pipeline, which takes environment, secrets and slots from what is the team's own."""
        own = f"owner: {name}\nenv_variable: {name}_env\nsecrets_variable: {name}_secrets\npool: {name}\n"
        text = (ROOT / "dags" / "pipelines" / "breast_cancer.yaml").read_text().replace("owner: slipway\n", own, 1)
        (folder / name).mkdir()
        (folder / name / f"{name}_tumours.yaml").write_text(text)
        return folder / name

    def copy(self):
        known = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, known):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        # Builder and compose were fetched once; a second download would prove nothing here.
        if (ROOT / ".slipway" / "bin").is_dir():
            shutil.copytree(ROOT / ".slipway" / "bin", self.root / ".slipway" / "bin")

    def edit(self, name, before, after):
        path = self.root / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def write_env(self, **more):
        ports = {"AIRFLOW_PORT": self.airflow_port, "MLFLOW_PORT": self.mlflow_port}
        lines = {"SLIPWAY_PROJECT": self.project, **ports, **more}
        (self.root / ".env").write_text("# a stack of the tests\n" + "".join(f"{n}={v}\n" for n, v in lines.items()))

    @property
    def name(self):
        return f"{self.project}-stack"

    @property
    def secrets(self):
        lines = (line.partition("=") for line in (self.root / ".env").read_text().splitlines())
        return {name: value for name, _, value in lines if any(w in name for w in ("PASSWORD", "KEY", "SECRET"))}

    def slipway(self, *words, **extra):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SLIPWAY_"))}
        return subprocess.run(
            [sys.executable, "-m", "slipway.cli", *words],
            cwd="/", env={**kept, "PYTHONPATH": str(self.root / "plugins"), **extra},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def succeed(self, *words):
        done = self.slipway(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def containers(self):
        """ID by service, of all that the project has on the engine."""
        label = f"label=com.docker.compose.project={self.name}"
        ids = docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()
        found = json.loads(docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def left(self, *kinds):
        """What the project has on the engine, of these kinds."""
        filters = [f"label=com.docker.compose.project={self.name}", f"label=slipway.project={self.name}"]
        return [
            line
            for kind in kinds
            for label in filters
            for line in docker(*kind.split(), "--filter", label).splitlines()
        ]

    def look_at_jobs(self):
        """Keep what the engine shows of the job containers that are there at this moment."""
        for each in docker("ps", "--all", "--quiet", "--filter", f"label=slipway.project={self.name}").split():
            shown = docker("inspect", each, check=False) + log(each)
            self.seen[each] = self.seen.get(each, "") + shown

    @property
    def airflow(self):
        """A client of the API that is logged in as admin."""
        address = f"http://127.0.0.1:{self.airflow_port}"
        login = {"username": "admin", "password": self.secrets["AIRFLOW_ADMIN_PASSWORD"]}
        token = httpx.post(f"{address}/auth/token", json=login, timeout=60).json()["access_token"]
        return httpx.Client(base_url=f"{address}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def mlflow(self, method, path, **options):
        login = ("admin", self.secrets["MLFLOW_ADMIN_PASSWORD"])
        address = f"http://127.0.0.1:{self.mlflow_port}/api/2.0/mlflow/{path}"
        return httpx.request(method, address, auth=login, timeout=60, **options).raise_for_status().json()

    def inside(self, image, program, **environment):
        """What a Python program prints that runs where jobs run."""
        given = {name: str(value) for name, value in environment.items()}
        names = [word for name in given for word in ("--env", name)]
        network = f"{self.name}-jobs"
        return docker(
            "run", "--rm", "--network", network, *names, image, "python", "-c", program, env={**os.environ, **given}
        )

    def rows(self, database, query):
        """The rows of a query to PostgreSQL."""
        postgres = self.containers()["postgres"]["Id"]
        words = ["psql", "--host=/tmp", "--username=postgres", "--no-align", "--tuples-only", "--dbname", database]
        return docker("exec", postgres, *words, "--command", query).splitlines()
