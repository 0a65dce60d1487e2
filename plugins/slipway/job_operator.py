"""The one operator: a task is a job of a pipeline, run in that job's image."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import docker
from airflow.providers.docker.operators.docker import DockerOperator

from slipway import contracts, engine_connection, forms, image_refs, job_inputs, mlflow_link, registry, settings
from slipway.container import Container
from slipway.contracts import Limits
from slipway.ended import Ended, JobRefusedError, NothingToDo, judge
from slipway.errors import ContractError, ImageMissingError, RegistryLoginError, SettingsError
from slipway.job_inputs import JobRequest
from slipway.mlflow_link import MlflowRunLink
from slipway.pipelines import Pipeline
from slipway.process import Process, code_of


class JobOperator(DockerOperator):
    """Runs one job for one pipeline and returns its outputs.json.

    The provider's DockerOperator gives the form that Airflow knows and the name of its connection; which engine that
    is, what a container is made of, how it is watched and where its result comes from are Slipway's own. Nothing is
    templated: values go as data.
    """

    template_fields: Sequence[str] = ()
    template_ext: Sequence[str] = ()
    operator_extra_links = (MlflowRunLink(),)
    ui_color: ClassVar[str] = "#dbeafe"

    def __init__(self, *, job: str, pipeline: Pipeline, **kwargs: Any) -> None:
        deployed = settings.read()
        self.contract = contracts.of(job, deployed.jobs)
        self.limits = contracts.limits(pipeline.keys.get("limits", {}).get(job, {}), self.contract.limits)
        kwargs.setdefault("task_id", job)
        kwargs.setdefault("execution_timeout", timedelta(seconds=self.limits.timeout_seconds))
        super().__init__(image=self.contract.image, mount_tmp_dir=False, doc_md=self.contract.description, **kwargs)
        self.pipeline = pipeline
        self.running: Container | Process | None = None

    def pre_execute(self, context: Any) -> None:
        """What only this run knows: the button to its MLflow run, and its limits from the trigger form."""
        mlflow_link.offer(context["ti"])
        self.limits = forms.limits(context["params"], self.limits)
        # Airflow looks at the timeout after this, and before `execute`.
        if context["params"].get("timeout_seconds"):
            self.execution_timeout = timedelta(seconds=self.limits.timeout_seconds)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the job.

        Raises NothingToDo (skipped), JobRefusedError (failed, not retried) or JobFailedError (failed).
        """
        try:
            ended = self.run_job(context)
        except (ContractError, ImageMissingError, RegistryLoginError, SettingsError) as error:
            # Somebody has to do something first, so the tries that are left would fail alike.
            raise JobRefusedError(str(error)) from error
        try:
            return judge(ended, self.contract.job, f"{self.limits.memory_bytes / 2**20:.0f} MiB")
        except NothingToDo:
            # A skipped task has no return value, yet people ask why it was skipped.
            context["ti"].xcom_push(key="outputs", value=ended.outputs)
            raise

    def run_job(self, context: Any) -> Ended:
        """Run the job where this deployment runs jobs; never elsewhere because an engine is away for a moment."""
        deployed = settings.read()
        return self.in_process(context, deployed) if deployed.runtime == "process" else self.in_container(context)

    def in_container(self, context: Any) -> Ended:
        deployed, chosen = settings.read(), engine_connection.of(self.docker_conn_id)
        with chosen.client() as client:
            image = image_refs.resolve(self.contract.image, deployed.images)
            login = chosen.login(registry.address(image.reference))
            found = registry.on_engine(client, image, login, self.log_line)
            labels = found["Config"].get("Labels") or {}
            image_refs.check_built(image, labels)
            request = self.request(context, image.identity(labels, found["Id"]))
            self.log.info("Running %s in image %s %s (%s)", request.job, image.name, image.version, found["Id"][:19])
            self.limits = self.clamped(client)
            self.running = container = Container(client, found["Id"], self.container_labels(request, deployed))
            container.remove_left(self.log_line)
            return replace(container.run(request, self.limits, self.log_line), secrets=tuple(request.secrets.values()))

    def in_process(self, context: Any, deployed: settings.Settings) -> Ended:
        if not (deployed.jobs / self.contract.job / "__main__.py").is_file():
            raise SettingsError(f"SLIPWAY_RUNTIME=process, but {deployed.jobs} holds no code: a bundle needs docker")
        image = image_refs.without_engine(self.contract.image, deployed.images)
        self.log.info("Running %s as a process of this environment", self.contract.job)
        self.running = process = Process()
        labels = {image_refs.REVISION: code_of(self.contract.job)}
        request = self.request(context, image.identity(labels, None))
        return replace(process.run(request, self.log_line), secrets=tuple(request.secrets.values()))

    def request(self, context: Any, image: dict[str, Any]) -> JobRequest:
        """What the job is given, read at run time alone."""
        keys = self.pipeline.keys
        environment = job_inputs.environment(self.contract, keys.get("env_variable", job_inputs.ENV_VARIABLE))
        secrets = job_inputs.secrets(self.contract, keys.get("secrets_variable", job_inputs.SECRETS_VARIABLE))
        given = self.pipeline.parameters(self.contract)
        inputs = job_inputs.build(context, self.contract, self.pipeline, given, image)
        return JobRequest(self.contract.job, inputs, environment, secrets)

    def container_labels(self, request: JobRequest, deployed: settings.Settings) -> dict[str, str]:
        """Which try of which task a container or volume belongs to."""
        run = request.inputs["run"]
        names = ("dag_id", "run_id", "task_id", "map_index", "try_number")
        return {
            "slipway.project": deployed.project,
            "slipway.job": self.contract.job,
            **{f"slipway.{name}": str(run[name]) for name in names},
        }

    def clamped(self, client: docker.APIClient) -> Limits:
        """The limits that this machine can give; the engine refuses to start a container with more."""
        has = client.info()
        given = replace(
            self.limits,
            memory_bytes=min(self.limits.memory_bytes, has["MemTotal"]),
            cpus=min(self.limits.cpus, has["NCPU"]),
        )
        if given != self.limits:
            self.log.warning("Limits cut to this machine: %s instead of %s", given, self.limits)
        return given

    def log_line(self, line: str) -> None:
        self.log.info("%s", line)

    def on_kill(self) -> None:
        """Stop what runs; the end is then collected, and the container removed, by `execute` itself."""
        if self.running:
            self.running.stop()
