"""Runs a past run's job once more, in the same image, and tells what came out then and now."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import docker
from docker.errors import DockerException
from requests import RequestException

from slipway import (
    container,
    contracts,
    engine,
    engine_connection,
    job_inputs,
    labels,
    looking,
    mlflow_rest,
    networks,
    past_run,
    settings,
    then_and_now,
    tracking_address,
)
from slipway.contracts import Contract, Limits
from slipway.ended import Ended, judge
from slipway.engine_connection import EngineConnection
from slipway.errors import (
    EngineAwayError,
    ImageMissingError,
    ReplayFailedError,
    ReplayRefusedError,
    TrackingAwayError,
)
from slipway.failures import JobFailedError, JobRefusedError, NothingToDo
from slipway.following import Follower
from slipway.job_inputs import JobRequest
from slipway.past_run import PastRun
from slipway.pipelines import Pipeline, load_all
from slipway.process import Process, code_of
from slipway.progress import say
from slipway.tracking_address import Tracking

REMOVE = "jobs.replays"


@dataclass(frozen=True)
class Again:
    """All that one replay takes; `named` is the same request under the name that the engine knows it by."""

    request: JobRequest
    named: JobRequest
    contract: Contract
    limits: Limits
    connection: EngineConnection

    @property
    def folder(self) -> str:
        return f"{self.request.environment.get('LAKE_URI', '')}/{self.request.inputs['replay']['lake']}"


def replay(run_id: str, keep: bool) -> int:
    """0 where all came out as it did then, 1 where something did not.

    Raises UnknownRunError, ReplayRefusedError, ReplayFailedError, or what keeps MLflow or the engine from being asked.
    """
    past, tracking = past_run.fetched(run_id)
    then = past_run.replayable(past)
    replay_id = uuid4().hex[:12]
    again = prepared(past, past_run.inputs_again(past, then, replay_id), replay_id)
    refuse_other_image(again)
    began = time.monotonic()
    with scratch(again, keep):
        try:
            now = concluded(done(again), past.job, again.limits)
        except ReplayFailedError:
            close_left_open(tracking, replay_id)
            raise
        rows = then_and_now.rows(then, now, past_run.WRITES[past.job])
        for line in then_and_now.lines(rows, (now.get("files") or {}).get("differ") or {}):
            say(line)
        made = (now.get("mlflow") or {}).get("run_id")
        say(f"{then_and_now.verdict(rows)}, in {time.monotonic() - began:.1f} s; MLflow run {made}")
    return 0 if all(row.same for row in rows) else 1


def prepared(past: PastRun, inputs: dict[str, Any], replay_id: str) -> Again:
    """The job as it was given then, with the environment and limits that its pipeline has now."""
    deployed = settings.read()
    contract = contracts.of(past.job, deployed.jobs)
    pipeline = next((known for known in load_all(deployed) if known.name == past.pipeline), None)
    keys = pipeline.keys if isinstance(pipeline, Pipeline) else {}
    variables = tracking_address.variables(past.pipeline)
    environment = job_inputs.environment(contract, variables["env_variable"])
    secrets = job_inputs.secrets(contract, variables["secrets_variable"])
    request = JobRequest(past.job, inputs, environment, secrets)
    # On the engine it must be taken neither for the task's own container nor for one of a task that is over.
    named = replace(request, inputs=inputs | {"run": inputs["run"] | {"run_id": f"{labels.REPLAYING}{replay_id}"}})
    limits = contracts.limits(keys.get("limits", {}).get(past.job, {}), contract.limits)
    connection = engine_connection.of(keys.get("docker_conn_id"))
    return Again(request, named, contract, clamped(limits, connection), connection)


def clamped(limits: Limits, connection: EngineConnection) -> Limits:
    """The limits that the engine's machine can give."""
    if settings.read().runtime == "process":
        return limits
    with connection.client() as client:
        has = client.info()
    return limits.within(has["MemTotal"], has["NCPU"])


@contextmanager
def scratch(again: Again, keep: bool) -> Iterator[None]:
    """However the replay ends, what it wrote goes, unless it is to be kept."""
    try:
        yield
    finally:
        if keep:
            say(f"kept {again.folder}")
        else:
            remove(again)


def remove(again: Again) -> None:
    """Have the job's own code remove the scratch folder: it alone knows its way about the lake."""
    try:
        exit_code, _, said = looking.asked(REMOVE, again.named, again.contract, again.limits, again.connection)
    except EngineAwayError as error:
        exit_code, said = 1, str(error)
    # What came of the replay is worth more than this, so it is told and raised by nobody.
    if exit_code:
        tell(f"WARNING {again.folder} was not removed, so remove it by hand: {''.join(said.strip().splitlines()[-1:])}")


def refuse_other_image(again: Again) -> None:
    """Raises ReplayRefusedError where the image of then, or without one the code of then, is not here."""
    image, job = again.request.inputs["image"], again.request.job
    if settings.read().runtime == "process":
        refuse_other_code(image, job)
        return
    if not image.get("id"):
        raise ReplayRefusedError("the run was made without a container: replay it where SLIPWAY_RUNTIME=process")
    title = f"{image['name']} {image.get('version')}"
    try:
        with again.connection.client() as client:
            engine.inspect_image(client, image["id"], title)
    except ImageMissingError:
        raise ReplayRefusedError(
            f"image {title} ({image['id'][:19]}), in which the run was made, is not on this engine any more: pull its"
            f" release by the digest that images.lock of commit {image.get('revision') or 'that day'} names, or load"
            " it from another engine (`docker save`, `docker load`); a new build is another image"
        ) from None


def refuse_other_code(image: dict[str, Any], job: str) -> None:
    then, now = image.get("revision"), code_of(job)
    if image.get("id"):
        raise ReplayRefusedError(
            f"the run was made in image {image['id'][:19]}: replay it where SLIPWAY_RUNTIME=docker"
        )
    if then != now:
        raise ReplayRefusedError(f"the code of jobs/{job} is {now}, and was {then}: check out what it was then")


def done(again: Again) -> Ended:
    """Run the job to its end; its log goes to standard error."""
    if settings.read().runtime == "process":
        return replace(Process().run(again.request, tell), secrets=tuple(again.request.secrets.values()))
    try:
        with again.connection.client() as client:
            return in_container(client, again)
    except (DockerException, RequestException) as error:
        raise EngineAwayError(f"the engine broke off while {again.request.job} was replayed ({error})") from error


def in_container(client: docker.APIClient, again: Again) -> Ended:
    deployed, request, limits = settings.read(), again.request, again.limits
    secrets = tuple(request.secrets.values())
    made = container.create(client, request.inputs["image"]["id"], again.named, again.contract, limits)
    try:
        networks.join(client, made.id, again.contract, deployed)
        made.fill(request)
        follower = Follower(
            made, again.connection.client, tell, secrets, limits.timeout_seconds, deployed.lost_seconds, lambda: None
        )
        follower.attach()
        made.start(request.job)
        return follower.until_ended()
    except JobFailedError as error:
        raise ReplayFailedError(f"the replay failed: {request.job}: {error}") from error
    finally:
        # Stopped first, so that a job which still runs can end its MLflow run.
        made.stop()
        made.remove()


def tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def concluded(ended: Ended, job: str, limits: Limits) -> dict[str, Any]:
    """The outputs; having had nothing to do is a result like another."""
    try:
        return judge(ended, job, limits.memory_bytes)
    except NothingToDo as skipped:
        outputs: dict[str, Any] = skipped.outputs
        return outputs
    except (JobFailedError, JobRefusedError) as error:
        raise ReplayFailedError(f"the replay failed: {error}") from error


def close_left_open(tracking: Tracking, replay_id: str) -> None:
    """A job that was killed could not end its own MLflow run."""
    with suppress(TrackingAwayError):
        tracking.ask(lambda url: mlflow_rest.end_tagged(url, {"slipway.replay": replay_id}, tracking.login))
