"""Faults on the way to a job, and the end of its time, as failures that a retry policy can tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout

from slipway.contracts import Limits
from slipway.errors import (
    ContractError,
    EngineAwayError,
    ImageMissingError,
    RegistryAwayError,
    RegistryLoginError,
    SettingsError,
    TrackingAwayError,
    TrackingRefusedError,
)
from slipway.failures import DeadlineError, JobKilledError, JobRefusedError, NoImageError, ServiceAwayError


@contextmanager
def errors(job: str, limits: Limits) -> Iterator[None]:
    """Raises JobRefusedError where somebody has to do something first, else what may heal by itself."""
    try:
        yield
    except (ContractError, RegistryLoginError, SettingsError, TrackingRefusedError) as error:
        raise JobRefusedError(str(error)) from error
    except ImageMissingError as error:
        raise NoImageError(str(error)) from error
    except (EngineAwayError, RegistryAwayError, TrackingAwayError) as error:
        raise ServiceAwayError(str(error)) from error
    except AirflowTaskTimeout as error:
        raise deadline(job, limits) from error


def typed(error: BaseException | None, job: str, limits: Limits) -> Exception | None:
    """The failure that an exception means; None for none."""
    if error is None:
        return None
    try:
        with errors(job, limits):
            raise error
    except AirflowException as known:
        return known
    except BaseException as unknown:
        return JobKilledError(f"{job}: ended by {type(unknown).__name__}: {unknown}")


def deadline(job: str, limits: Limits) -> DeadlineError:
    return DeadlineError(
        f"{job}: deadline: stopped after {limits.timeout_seconds} s: raise limits.{job}.timeout_seconds in the YAML,"
        " or ask for more in the trigger form"
    )
