"""The one operator: a task is a job of a pipeline, run in that job's image."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import ResumableJobMixin

from slipway import (
    container,
    contracts,
    engine_connection,
    forms,
    image_refs,
    job_inputs,
    left_behind,
    log_lines,
    mlflow_link,
    networks,
    process,
    settings,
    task_fate,
    task_image,
    tracking_address,
    translated,
)
from slipway.container import Container
from slipway.contracts import Limits
from slipway.ended import Ended, judge
from slipway.failures import JobFailedError, JobRefusedError, NothingToDo, WorkerStopsError
from slipway.following import Follower
from slipway.job_inputs import JobRequest
from slipway.mlflow_link import MlflowRunLink
from slipway.pipelines import Pipeline
from slipway.process import Process
from slipway.receipts import Receipt
from slipway.task_memory import CONTAINER, TaskMemory
from slipway.task_tracking import TaskTracking


class JobOperator(ResumableJobMixin, DockerOperator):
    """Runs one job for one pipeline, once, and returns its outputs.json.

    The provider's DockerOperator gives the form that Airflow knows and the name of its connection, Airflow's
    ResumableJobMixin the order of a retry: take over what runs, collect what has ended, else begin anew. Which engine
    that is, what a container is made of, how it is watched and where its result comes from are Slipway's own. Nothing
    is templated: values go as data.
    """

    template_fields: Sequence[str] = ()
    template_ext: Sequence[str] = ()
    operator_extra_links = (MlflowRunLink(),)
    ui_color: ClassVar[str] = "#dbeafe"
    external_id_key = CONTAINER

    def __init__(self, *, job: str, pipeline: Pipeline, **kwargs: Any) -> None:
        deployed = settings.read()
        self.contract = contracts.of(job, deployed.jobs)
        self.limits = contracts.limits(pipeline.keys.get("limits", {}).get(job, {}), self.contract.limits)
        kwargs.setdefault("task_id", job)
        kwargs.setdefault("execution_timeout", timedelta(seconds=self.limits.timeout_seconds))
        super().__init__(image=self.contract.image, mount_tmp_dir=False, doc_md=self.contract.description, **kwargs)
        self.pipeline = pipeline
        self.asked_to_end = False
        self.supervisor = 0
        self.process: Process | None = None
        self.follower: Follower | None = None
        self.receipt = Receipt()
        self.tracking = TaskTracking(None, self.raise_if_asked_to_end, self.log_line)
        self.outputs: dict[str, Any] | None = None

    def pre_execute(self, context: Any) -> None:
        """What only this run knows: the button to its MLflow run, and its limits from the trigger form."""
        mlflow_link.offer(context["ti"])
        self.limits = forms.limits(context["params"], self.limits)
        # Airflow looks at the timeout after this, and before `execute`.
        if context["params"].get("timeout_seconds"):
            self.execution_timeout = timedelta(seconds=self.limits.timeout_seconds)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the job, or take over where an older try left it.

        Raises NothingToDo (skipped), JobRefusedError (failed, not retried) or JobFailedError (failed).
        """
        self.began, self.supervisor = time.monotonic(), os.getppid()
        self.memory = TaskMemory(context.get("task_state_store"))
        with translated.errors(self.contract.job, self.limits):
            address = tracking_address.of_pipeline(self.pipeline)
            self.tracking = TaskTracking(address, self.raise_if_asked_to_end, self.log_line)
            try:
                return self.run_job(context)
            except NothingToDo as skipped:
                # A skipped task has no return value, yet people ask why it was skipped.
                context["ti"].xcom_push(key="outputs", value=skipped.outputs)
                raise

    def run_job(self, context: Any) -> dict[str, Any]:
        """Run the job where this deployment runs jobs; never elsewhere because an engine is away for a moment."""
        deployed = settings.read()
        if deployed.runtime == "process":
            return self.judged(self.in_process(context, deployed))
        if collected := self.memory.result():
            self.log.info("An older try collected this result and died before it could say so")
            request = self.request(context, {})
            self.tracking.adopt(request.inputs)
            return self.judged(replace(collected, secrets=tuple(request.secrets.values())))
        with engine_connection.of(self.docker_conn_id).client() as self.engine:
            self.engine_id = self.engine.info()["ID"]
            outputs: dict[str, Any] = self.execute_resumable(context)
            return outputs

    def submit_job(self, context: Any) -> dict[str, str]:
        """Start the job's container, or find the one that a try which died before it could note it had started."""
        deployed = settings.read()
        connection = engine_connection.of(self.docker_conn_id)
        image, identity = task_image.chosen(self.engine, self.contract, self.memory, connection, self.log_line)
        request = self.request(context, identity)
        found = left_behind.usable(container.of_instance(self.engine, request.inputs), self.log_line)
        if found is None and (standing := self.tracking.standing(self.contract, request.inputs)):
            self.outputs = self.judged(standing)
            return {"engine": self.engine_id, "container": ""}
        if found is None:
            self.log.info("Running %s in image %s %s (%s)", request.job, image.name, image.version, identity["id"][:19])
            found = self.started(request, identity["id"], deployed)
        return {"engine": self.engine_id, "container": found.id}

    def started(self, request: JobRequest, image_id: str, deployed: settings.Settings) -> Container:
        made = container.create(self.engine, image_id, request, self.contract, self.clamped())
        try:
            networks.join(self.engine, made.id, self.contract, deployed)
            # Whoever holds the container's name is the only one who makes this task's run.
            self.tracking.open(request.inputs, made.id)
            made.fill(request)
            self.raise_if_asked_to_end()
            self.follower = self.follow(made, request, deployed)
            self.follower.attach()
            made.start(request.job)
        except BaseException as error:
            made.remove()
            self.tell_mlflow(None, error)
            raise
        self.receipt.figures["start_seconds"] = time.monotonic() - self.began
        return made

    def get_job_status(self, external_id: Any, context: Any) -> str:
        if external_id["engine"] != self.engine_id:
            self.log.warning("An older try ran on another engine (%s): this one begins anew", external_id["engine"])
            return "elsewhere"
        if not external_id["container"]:
            return "gone"
        return left_behind.status(Container(self.engine, external_id["container"]))

    def is_job_active(self, status: str) -> bool:
        return status == "running"

    def is_job_succeeded(self, status: str) -> bool:
        return status == "final"

    def poll_until_complete(self, external_id: Any, context: Any) -> dict[str, Any]:
        """Follow the container to its end, collect what it left, and remove it."""
        if self.outputs is not None:
            return self.outputs
        found = Container(self.engine, external_id["container"])
        if self.follower is None:
            self.clamped()
            request = self.request(context, {})
            self.follower = self.follow(found, request, settings.read())
            self.tracking.adopt(request.inputs, found.id)
        self.outputs = outputs = self.concluded(found, self.follower)
        return outputs

    def get_job_result(self, external_id: Any, context: Any) -> dict[str, Any]:
        return self.outputs or self.poll_until_complete(external_id, context)

    def concluded(self, found: Container, follower: Follower) -> dict[str, Any]:
        """The job's result; the container goes, whatever came of it, unless another try is to take it over."""
        try:
            ended = follower.until_ended()
        except WorkerStopsError:
            raise
        except BaseException as error:
            if task_fate.orphaned(self.supervisor, error):
                raise task_fate.left_alone(self.contract.job) from error
            # The other connection may have been cut off in mid-answer.
            with engine_connection.of(self.docker_conn_id).client() as client:
                Container(client, found.id).end()
            self.tell_last_lines(follower)
            self.tell_mlflow(None, error)
            if self.memory.is_current():
                self.memory.forget_run()
            raise
        began = time.monotonic()
        if not self.memory.is_current():
            raise WorkerStopsError(f"{self.contract.job}: a newer try of this task has taken over: it has the result")
        self.memory.keep_result(ended)
        found.remove()
        self.receipt.add(ended.outputs, found, follower.state, follower.meter)
        self.receipt.figures["collect_seconds"] = time.monotonic() - began
        self.log.info("%s", self.receipt.line(self.contract.job, self.limits))
        if ended.exit_code not in (0, 99):
            self.tell_last_lines(follower)
        return self.judged(ended)

    def judged(self, ended: Ended) -> dict[str, Any]:
        """What the job left, or the failure that its end means; MLflow has it before the task's memory is cleared."""
        try:
            outputs = judge(ended, self.contract.job, self.limits.memory_bytes)
        except (NothingToDo, JobFailedError, JobRefusedError) as error:
            self.tell_mlflow(None, error)
            self.memory.forget_run()
            raise
        outputs |= {"receipts": {**(outputs.get("receipts") or {}), **self.receipt.rounded()}}
        outputs |= {"mlflow": self.tracking.run.identity} if self.tracking.run else {}
        self.tell_mlflow(outputs, None)
        self.memory.forget_run()
        # A task that succeeds says that its assets are new, and these are not.
        if outputs.get("reused") and self.outlets:
            raise NothingToDo(f"{self.contract.job}: {outputs['reason']}", outputs)
        return outputs

    def tell_mlflow(self, outputs: dict[str, Any] | None, error: BaseException | None) -> None:
        """Close the MLflow run, unless this job goes on under another try."""
        if isinstance(error, WorkerStopsError) or task_fate.orphaned(self.supervisor, error):
            return
        if self.asked_to_end:
            self.tracking.hurry()
        last = list(self.follower.last) if self.follower else []
        failure = translated.typed(error, self.contract.job, self.limits)
        self.tracking.close(outputs, failure, self.receipt.rounded(), last)

    def tell_last_lines(self, follower: Follower) -> None:
        """Where a log is long, its end is what people look for."""
        if follower.last:
            self.log.error("The last %s lines of the job:\n%s", len(follower.last), "\n".join(follower.last))

    def follow(self, found: Container, request: JobRequest, deployed: settings.Settings) -> Follower:
        connection = engine_connection.of(self.docker_conn_id)
        return Follower(
            found,
            connection.client,
            self.log_line,
            tuple(request.secrets.values()),
            self.limits.timeout_seconds,
            deployed.lost_seconds,
            self.raise_if_asked_to_end,
        )

    def in_process(self, context: Any, deployed: settings.Settings) -> Ended:
        process.check(self.contract, deployed)
        image = image_refs.without_engine(self.contract.image, deployed.images)
        self.log.info("Running %s as a process of this environment", self.contract.job)
        self.process = Process()
        labels = {image_refs.REVISION: process.code_of(self.contract.job)}
        request = self.request(context, image.identity(labels, None))
        if standing := self.tracking.standing(self.contract, request.inputs):
            return standing
        self.tracking.open(request.inputs)
        return replace(self.process.run(request, self.log_line), secrets=tuple(request.secrets.values()))

    def request(self, context: Any, image: dict[str, Any]) -> JobRequest:
        """What the job is given, read at run time alone."""
        self.instance = context["ti"]
        return job_inputs.request(context, self.contract, self.pipeline, image)

    def clamped(self) -> Limits:
        """The limits that this machine can give; the engine refuses to start a container with more."""
        has = self.engine.info()
        given = self.limits.within(has["MemTotal"], has["NCPU"])
        if given != self.limits:
            self.log.warning("Limits cut to this machine: %s instead of %s", given, self.limits)
        self.limits = given
        return given

    def log_line(self, line: str) -> None:
        level, text = log_lines.levelled(line)
        self.log.log(level, "%s", text)

    def raise_if_asked_to_end(self) -> None:
        """Raises JobKilledError, or WorkerStopsError where the job is to go on without this worker."""
        if task_fate.orphaned(self.supervisor):
            raise task_fate.left_alone(self.contract.job)
        if self.asked_to_end:
            raise task_fate.ending(self.instance, self.contract.job)

    def on_kill(self) -> None:
        """Called by a signal handler, so it only takes note; the loop that watches the job decides."""
        self.asked_to_end = True
        if self.process:
            self.process.stop()
