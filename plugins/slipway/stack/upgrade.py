"""`slipway upgrade`: a backup, then each database brought to the version of its program, as steps that people see."""

from slipway.embedded import engine_project
from slipway.progress import say
from slipway.stack import backup, compose, compose_program, containers, host, starting, stopping
from slipway.stack.compose import Compose

# No way leads back from a migration but the backup, so nothing else runs while it is made.
STOPPED = ("scheduler", "dag-processor", "api-server", "mlflow")


@engine_project.faults_told()
def upgrade() -> None:
    """Raises SlipwayError with the line of the step that failed; the backup is there by then."""
    with host.connect() as client:
        program = compose_program.words()
        deployed = starting.ready(client)
        composed = Compose(program, deployed, starting.parts(client, deployed.settings))
        say("1 of 4: backup")
        saved = backup.backup(deployed, None)
        say(f"1 of 4: backup is in {saved}; should a step fail, `make down VOLUMES=1` and a restore of it lead back")
        running = [service for service in containers.services(client, deployed) if service.name in STOPPED]
        stopping.stop(client, deployed, running)
        starting.start(client, composed, *deployed.data_services)
        step(composed, "2 of 4: Airflow's database", "airflow-init", "/opt/airflow/prepare.py")
        step(composed, "3 of 4: MLflow's database", "mlflow-init", "/opt/slipway/prepare.py")
        say("4 of 4: start")
        starting.start(client, composed)
        say(starting.report(deployed))


def step(composed: Compose, title: str, service: str, program: str) -> None:
    say(title)
    said = composed.run(
        title, "run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", service, program, "upgrade"
    )
    # What the migrations' libraries warn of is theirs to mend.
    say(f"  {compose.last_line(said)}")
