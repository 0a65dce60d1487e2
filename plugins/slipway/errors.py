"""What can go wrong on Airflow's side of a job, each with the exit code that the command line ends with."""


class SlipwayError(Exception):
    """A fault with a message that says what, where and what next; the command line prints it without a trace."""

    exit_code = 1


class SettingsError(SlipwayError):
    """A deployment setting holds a value that can't be used."""

    exit_code = 64


class PipelineError(SlipwayError):
    """A pipeline's YAML can't be used; the message names file, line and the key that was meant."""

    exit_code = 64


class ContractError(SlipwayError):
    """A job.yaml or a line of images.lock is missing or can't be used."""

    exit_code = 70


class ImageMissingError(SlipwayError):
    """The image of a job is not on the engine; nothing is pulled in its place."""

    exit_code = 69


class EngineAwayError(SlipwayError):
    """No Docker engine answers."""

    exit_code = 69


class PortTakenError(SlipwayError):
    """A port that Slipway publishes belongs to another program."""

    exit_code = 69


class TrackingAwayError(SlipwayError):
    """MLflow does not answer."""

    exit_code = 69


class LandingError(SlipwayError):
    """A file can't be brought into landing."""

    exit_code = 65


class UnknownRunError(SlipwayError):
    """MLflow holds no such run, or none of its inputs."""

    exit_code = 66


class DemoFailedError(SlipwayError):
    """A DAG of the demo did not end well."""


class AirflowHomeError(SlipwayError):
    """Airflow's database in the state folder can't be used."""
