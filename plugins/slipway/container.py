"""One run of a job as one container with one labelled volume, both removed at the end whatever happened."""

import io
import json
import tarfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount
from urllib3.exceptions import HTTPError

from slipway import log_lines, settings
from slipway.contracts import Limits
from slipway.ended import Ended
from slipway.errors import EngineAwayError
from slipway.hardening import JOB_USER, hardened
from slipway.job_inputs import JobRequest

OUTPUTS = "/job/out/outputs.json"
# Airflow's supervisor kills a task 5 s after it asked it to stop.
STOP_SECONDS = 3
SETTLE_SECONDS = 2.0

Log = Callable[[str], None]


class Container:
    """A container for one try of a task; `run` is called once, `stop` from any signal handler."""

    def __init__(self, client: docker.APIClient, image_id: str, labels: dict[str, str]) -> None:
        self.client = client
        self.image_id = image_id
        self.labels = labels
        self.id = ""
        self.stopped = False

    def remove_left(self, log: Log) -> None:
        """Remove what other tries of this task instance left: a worker that dies cleans up nothing."""
        own = self.labels["slipway.try_number"]
        same = [f"{name}={value}" for name, value in self.labels.items() if name != "slipway.try_number"]
        for found in self.client.containers(all=True, filters={"label": same}):
            if (number := found["Labels"]["slipway.try_number"]) != own:
                log(f"removing container {found['Id'][:12]} that try {number} of this task left")
                self.remove(found["Id"])

    def run(self, request: JobRequest, limits: Limits, log: Log) -> Ended:
        """Run the job to its end and collect what it left.

        Raises EngineAwayError when the engine refuses to start it.
        """
        with self.created(request, limits) as container:
            # Nobody stops what is not there yet, so a stop that came early is honoured here.
            if self.stopped:
                return Ended(143, None)
            self.started(container, request.job)
            for line in log_lines.redacted(log_lines.lines(self.chunks()), request.secrets.values()):
                log(line)
            state = self.client.inspect_container(container)["State"]
            return Ended(state["ExitCode"], self.outputs_text(), state["OOMKilled"] and state["ExitCode"] != 0)

    @contextmanager
    def created(self, request: JobRequest, limits: Limits) -> Generator[str]:
        try:
            self.create(request, limits)
            yield self.id
        finally:
            self.remove(self.id)

    def create(self, request: JobRequest, limits: Limits) -> None:
        try:
            self.id = self.client.create_container(
                image=self.image_id,
                command=["python", "-m", f"jobs.{request.job}", "--inputs", "/job/in/inputs.json"],
                environment={**request.environment, "SLIPWAY_SCRATCH": "/job/scratch"},
                user=f"{JOB_USER}:{JOB_USER}",
                labels=self.labels,
                host_config=self.host_config(request, limits),
            )["Id"]
            self.client.put_archive(self.id, "/job", job_folder(request))
        except APIError as error:
            raise self.refused(request.job, error) from error

    def started(self, container: str, job: str) -> None:
        try:
            self.client.start(container)
        except APIError as error:
            raise self.refused(job, error) from error

    def refused(self, job: str, error: APIError) -> EngineAwayError:
        deployed = settings.read()
        return EngineAwayError(
            f"the engine refused to start {job}: {error.explanation}: is the network {deployed.network} there"
            " (SLIPWAY_NETWORK names it), and has the engine room for one more container?"
        )

    def host_config(self, request: JobRequest, limits: Limits) -> dict[str, Any]:
        deployed = settings.read()
        mounts = [Mount(type="volume", target="/job", source=None, labels=self.labels)]
        if request.environment.get("LAKE_URI", "").startswith("/"):
            mounts.append(lake_mount(deployed.lake_volume))
        config: dict[str, Any] = self.client.create_host_config(
            mounts=mounts,
            network_mode=deployed.network,
            nano_cpus=int(limits.cpus * 1e9),
            **hardened(limits.memory_bytes),
        )
        return config

    def chunks(self) -> Iterator[bytes]:
        """The log until the container has ended; a stream that breaks earlier is taken up again."""
        since: int | None = None
        while True:
            try:
                for chunk in self.client.logs(self.id, stream=True, follow=True, stdout=True, stderr=True, since=since):
                    # Whole seconds: after a break the last one is told again rather than lost.
                    since = int(time.time())
                    yield chunk
            except (OSError, HTTPError) as error:
                yield f"(the log of the container broke off: {error}; it is taken up again)\n".encode()
            if not self.is_running():
                return

    def is_running(self) -> bool:
        """Whether it runs on; the log of a container ends a moment before its state does."""
        until = time.monotonic() + SETTLE_SECONDS
        while self.client.inspect_container(self.id)["State"]["Running"]:
            if time.monotonic() > until:
                return True
            time.sleep(0.05)
        return False

    def outputs_text(self) -> str | None:
        try:
            stream, _ = self.client.get_archive(self.id, OUTPUTS)
        except NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            return member.read().decode("utf-8", errors="replace") if member else None

    def stop(self) -> None:
        """Ask the job to end, then end it."""
        self.stopped = True
        if self.id:
            with suppress(APIError):
                self.client.stop(self.id, timeout=STOP_SECONDS)

    def remove(self, container: str) -> None:
        """Remove container and volume; one that is gone already is fine."""
        if container:
            try:
                self.client.remove_container(container, v=True, force=True)
            except APIError as error:
                # Gone, or going: somebody else removes it.
                if error.status_code not in (404, 409):
                    raise


def lake_mount(place: str) -> Mount:
    """A volume, or with an absolute path a folder of the engine's host, which must be there."""
    return Mount(type="bind" if place.startswith("/") else "volume", target=settings.LAKE_IN_CONTAINER, source=place)


def job_folder(request: JobRequest) -> bytes:
    """The tar that fills `/job`: inputs to read, secrets for the job's user alone, two folders to write in."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, mode in (("in", 0o555), ("secrets", 0o500), ("out", 0o700), ("scratch", 0o700)):
            archive.addfile(entry(name, mode, tarfile.DIRTYPE))
        add_file(archive, "in/inputs.json", json.dumps(request.inputs, indent=2).encode(), 0o444)
        for name, value in request.secrets.items():
            add_file(archive, f"secrets/{name}", value.encode(), 0o400)
    return buffer.getvalue()


def add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = entry(name, mode, tarfile.REGTYPE)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def entry(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid = kind, mode, JOB_USER, JOB_USER
    return member
