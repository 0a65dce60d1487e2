"""Which deployment a word works on: the stack while its containers run, else the embedded one."""

from docker.errors import DockerException
from requests import RequestException

from slipway.errors import EngineAwayError, StackError
from slipway.stack import containers, host, stack
from slipway.stack.stack import Stack


def running_stack(named: bool | None) -> Stack | None:
    """The stack, when it is named, or runs while nothing is named; else None for the embedded deployment.

    Raises StackError when the stack is named but doesn't run.
    """
    if named is False:
        return None
    deployed = stack.read()
    if runs(deployed):
        return deployed
    if named:
        raise StackError(f"{deployed.name} does not run: start it with `make up`")
    return None


def runs(deployed: Stack) -> bool:
    try:
        with host.connect(timeout_seconds=10) as client:
            return containers.running(client, deployed, "mlflow")
    except (EngineAwayError, DockerException, RequestException):
        return False
