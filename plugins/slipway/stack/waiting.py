"""Follow a stack while it comes up: one line for each service that is ready, and the first that is not."""

import subprocess
import time
from collections.abc import Collection
from pathlib import Path

import docker

from slipway.errors import PortTakenError, StackError
from slipway.progress import Line, say
from slipway.stack import compose, containers
from slipway.stack.containers import Service
from slipway.stack.stack import Stack

LIMIT_SECONDS = 600
STEP_SECONDS = 0.5
UNHEALTHY = "dependency failed to start"


def follow(
    client: docker.APIClient,
    stack: Stack,
    composing: "subprocess.Popen[bytes]",
    log: Path,
    only: tuple[str, ...] = (),
    before: Collection[tuple[str, str]] = (),
) -> bool:
    """True when compose has ended and every service is ready, or those that are named.

    `before` are the starts that had ended when this one began: compose hasn't come to those services yet.

    False when compose gave up on a service that was late and has come round, so that it may be asked again.

    Raises StackError with what the service that is not ready last said.
    """
    line = Line("services")
    told = {start_of(service) for service in containers.services(client, stack) if service.ready}
    while True:
        over = composing.poll() is not None
        now = [service for service in containers.services(client, stack) if not only or service.name in only]
        waited_for = [service for service in now if not service.ready]
        begun = [service for service in waited_for if start_of(service) not in before]
        told |= tell(line, [service for service in now if service.ready and start_of(service) not in told])
        line.running(f"waiting for {', '.join(service.name for service in waited_for) or 'compose'},")
        if over and now and not waited_for and not composing.returncode:
            line.done(f"{len(now)} are ready")
            return True
        lasting = any(service.ill or service.failed or service.falling for service in begun)
        if over and UNHEALTHY in text_of(log) and not lasting:
            line.broken_off()
            return False
        give_up(client, over, composing.returncode, begun, line, log)
        time.sleep(STEP_SECONDS)


def start_of(service: Service) -> tuple[str, str]:
    """What tells a service that was started now from one that ran before."""
    return service.container_id, str(service.state["StartedAt"])


def tell(line: Line, ready: list[Service]) -> set[tuple[str, str]]:
    """Say which services have become ready; what tells them apart later."""
    for service in sorted(ready, key=lambda service: (not service.once, service.name)):
        say(f"{line.cleared()}  {service.name:<14} {service.word}, {line.seconds:.0f} s")
    return {start_of(service) for service in ready}


def give_up(
    client: docker.APIClient, over: bool, exit_code: int | None, waited_for: list[Service], line: Line, log: Path
) -> None:
    """Raises StackError where waiting longer is no use."""
    failed = [service for service in waited_for if service.failed]
    late = line.seconds > LIMIT_SECONDS
    still_ill = any(service.ill or service.falling for service in waited_for) and not failed
    if not late and (not over or still_ill or not (exit_code or failed)):
        return
    line.broken_off()
    fallen = [service for service in waited_for if service.failed or service.falling]
    blamed = first(fallen) or (first(waited_for) if late else None)
    if blamed is None:
        raise refused(log)
    raise StackError(
        f"{blamed.name} {blamed.word}: {containers.last_words(client, blamed)}"
        f" (all of it: `docker logs {blamed.container}`; what is stored is kept, so `make up` goes on from here)"
    )


def first(services: list[Service]) -> Service | None:
    """The one that the others wait for: a one-shot's refusal explains why servers are away, not the other way round."""
    order = {"postgres": 0, "store": 1, "store-init": 2, "mlflow-init": 3, "airflow-init": 4}
    return min(services, key=lambda service: order.get(service.name, 9), default=None)


def refused(log: Path) -> StackError | PortTakenError:
    """What compose itself stopped at."""
    said = compose.last_line(text_of(log))
    if "port is already allocated" in said or "address already in use" in said:
        return PortTakenError(f"a port was taken meanwhile ({said}): set AIRFLOW_PORT or MLFLOW_PORT in .env")
    return StackError(f"compose stopped: {said} (all of it: {log})")


def text_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
