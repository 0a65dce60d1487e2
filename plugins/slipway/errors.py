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


class RegistryLoginError(SlipwayError):
    """A registry refuses the login, or was given none."""

    exit_code = 77


class RegistryAwayError(SlipwayError):
    """A registry of images does not answer."""

    exit_code = 69


class ReleaseError(SlipwayError):
    """An image may not be released as it is."""

    exit_code = 65


class BundleError(SlipwayError):
    """A bundle can't be written as it was asked for."""

    exit_code = 65


class EngineAwayError(SlipwayError):
    """No Docker engine answers."""

    exit_code = 69


class PortTakenError(SlipwayError):
    """A port that Slipway publishes belongs to another program."""

    exit_code = 69


class NetworkInUseError(SlipwayError):
    """A network has to be made anew, and something is still on it."""

    exit_code = 69


class TrackingAwayError(SlipwayError):
    """MLflow does not answer."""

    exit_code = 69


class TrackingRefusedError(SlipwayError):
    """MLflow answers that it won't: the login, or what it was asked, is wrong."""

    exit_code = 77


class LandingError(SlipwayError):
    """A file can't be brought into landing."""

    exit_code = 65


class UnknownRunError(SlipwayError):
    """MLflow holds no such run, or none of its inputs."""

    exit_code = 66


class UnknownTaskError(SlipwayError):
    """No task of this deployment has that name."""

    exit_code = 66


class LookFailedError(SlipwayError):
    """A job's own code could not tell what its result would rest on."""

    exit_code = 69


class ReapError(SlipwayError):
    """An engine or an MLflow could not be asked for what jobs left."""

    exit_code = 69


class ReplayRefusedError(SlipwayError):
    """A past run can't be replayed."""

    exit_code = 65


class ReplayFailedError(SlipwayError):
    """The job of a past run did not end well this time."""


class DemoFailedError(SlipwayError):
    """A DAG of the demo did not end well."""


class AirflowHomeError(SlipwayError):
    """Airflow's database in the state folder can't be used."""


class EnvFileError(SlipwayError):
    """The `.env` file can't be used; the message names file and line."""

    exit_code = 64


class ComposeMissingError(SlipwayError):
    """There is no compose v2, and none can be fetched."""

    exit_code = 69


class StackError(SlipwayError):
    """The stack, or one of its services, did not do what it was asked to."""


class NoRoomError(SlipwayError):
    """The disk that the engine stores on is nearly full."""

    exit_code = 69


class BackupError(SlipwayError):
    """A backup can't be made, or can't be restored as it is."""

    exit_code = 65
