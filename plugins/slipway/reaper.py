"""One round over all engines and pipelines of this deployment: what jobs left is told, and removed."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import docker
from docker.errors import DockerException
from requests import RequestException

from slipway import engine_connection, left_on_engine, left_runs, tracking_address
from slipway.errors import SlipwayError
from slipway.left_on_engine import Left, Looked
from slipway.mlflow_session import Session
from slipway.pipelines import Pipeline
from slipway.settings import Settings
from slipway.task_states import States, remembered

# A worker whose task was just set to failed, or whose job has just ended, needs some seconds to say why itself.
AGAIN_SECONDS = 15.0
FAULTS = (DockerException, RequestException, SlipwayError)

Say = Callable[[str], None]


@dataclass
class Round:
    """What is asked, and what could not be: engines by their ID, and faults as sentences."""

    deployed: Settings
    pipelines: list[Pipeline]
    states: States
    engines: dict[str, docker.APIClient] = field(default_factory=dict)
    engine_of: dict[str | None, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    opened: ExitStack = field(default_factory=ExitStack)

    def reap(self, say: Say, remove: bool = True) -> None:
        """Say what may go; with `remove` it goes, if a second look finds it too."""
        with self.connected():
            first = self.look()
            if remove and first:
                time.sleep(AGAIN_SECONDS)
                known = {left.what for left in first}
                self.remove([left for left in self.look() if left.what in known], say)
                return
        for left in first:
            say(f"would {left.verb} {left}")

    def remove(self, doomed: list[Left], say: Say) -> None:
        for left in doomed:
            with self.noting():
                left.remove()
                say(f"{left.verb}d {left}")

    @contextmanager
    def connected(self) -> Iterator[None]:
        """To this machine's engine and those that pipelines name; with the process runtime there is none."""
        named = dict.fromkeys([None, *map(docker_of, self.pipelines)])
        with self.opened:
            for name in named if self.deployed.runtime != "process" else ():
                with self.noting():
                    client = self.opened.enter_context(engine_connection.of(name).client())
                    self.engine_of[name] = client.info()["ID"]
                    self.engines[self.engine_of[name]] = client
            yield

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What is away keeps nothing else from being looked at."""
        try:
            yield
        except FAULTS as error:
            told = " ".join(str(error).split())
            self.faults += [told] * (told not in self.faults)

    def look(self) -> list[Left]:
        """What may go now, in the order in which it goes."""
        states, answered, looked = remembered(self.states), set[str](), Looked()
        for engine, client in self.engines.items():
            with self.noting():
                looked.add(left_on_engine.look(client, self.deployed, states))
                answered.add(engine)
        for pipeline in self.pipelines:
            # An engine that does not answer may still hold the containers of a pipeline's runs.
            if self.deployed.runtime == "process" or self.engine_of.get(docker_of(pipeline)) in answered:
                with self.noting():
                    looked.left += self.runs_of(pipeline, states, looked)
                    continue
            # Only its container knows how a job ended, so it stays until MLflow was told.
            looked.hold(pipeline.name)
        return looked.left

    def runs_of(self, pipeline: Pipeline, states: States, looked: Looked) -> list[Left]:
        tracking = tracking_address.of_pipeline(pipeline)
        if tracking is None:
            return []
        session = Session(tracking, patience_seconds=0.0)
        self.opened.callback(session.close)
        return left_runs.look(session, pipeline, states, looked)


def docker_of(pipeline: Pipeline) -> str | None:
    """The connection of the engine that a pipeline's jobs run on; None is this machine's."""
    found: str | None = pipeline.keys.get("docker_conn_id")
    return found
