"""`slipway upgrade`: a backup, then each database brought to the version of its program, as steps that people see."""

from pathlib import Path

import docker

from slipway.embedded import engine_project
from slipway.progress import say
from slipway.stack import backup, compose, compose_program, containers, host, starting, stopping
from slipway.stack.compose import Compose
from slipway.stack.stack import Stack

# No way leads back from a migration but the backup, so none of these writes once the backup has begun.
STOPPED = ("scheduler", "dag-processor", "api-server", "mlflow")


@engine_project.faults_told()
def upgrade() -> None:
    """Raises SlipwayError with the line of the step that failed; from the second on the backup is there."""
    with host.connect() as client:
        program = compose_program.words()
        deployed = starting.ready(client)
        composed = Compose(program, deployed, starting.parts(client, deployed.settings))
        say("1 of 4: backup, with Airflow and MLflow stopped")
        saved = save_stopped(client, deployed)
        emptied = "" if deployed.own_store else f", emptying the bucket {deployed.value('S3_BUCKET')}"
        say(f"  it is in {saved}; should a step fail, `make down VOLUMES=1`{emptied} and a restore of it lead back")
        starting.start(client, composed, *deployed.data_services)
        step(composed, "2 of 4: Airflow's database", "airflow-init", "/opt/airflow/prepare.py")
        step(composed, "3 of 4: MLflow's database", "mlflow-init", "/opt/slipway/prepare.py")
        say("4 of 4: start")
        starting.start(client, composed)
        say(starting.report(deployed))


def save_stopped(client: docker.APIClient, deployed: Stack) -> Path:
    """A backup that nothing is written after; where there is none, what ran before runs on."""
    found = [service for service in containers.services(client, deployed) if service.name in STOPPED]
    try:
        stopping.stop(client, deployed, found)
        return backup.backup(deployed, None)
    except BaseException:
        for service in found:
            if service.state["Running"]:
                client.start(service.container_id)
        raise


def step(composed: Compose, title: str, service: str, program: str) -> None:
    say(title)
    said = composed.run(
        title, "run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", service, program, "upgrade"
    )
    # What the migrations' libraries warn of is theirs to mend.
    say(f"  {compose.last_line(said)}")
