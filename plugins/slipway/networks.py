"""The way out of a job that says `egress: true`: a second network, beside the one that has none."""

import docker
from docker.errors import APIError, NotFound

from slipway.contracts import Contract
from slipway.errors import EngineAwayError, SettingsError
from slipway.settings import Settings


def join(client: docker.APIClient, container_id: str, contract: Contract, deployed: Settings) -> None:
    """Connect a container that was made and not started; one whose job does not reach out is left as it is.

    Raises SettingsError where the network can't lead out, EngineAwayError where the engine refuses.
    """
    if not contract.egress:
        return
    name = deployed.egress_network
    try:
        if client.inspect_network(name)["Internal"]:
            raise SettingsError(
                f"{contract.job} has to reach out (egress: true), and the network {name} has no way out:"
                " name another in SLIPWAY_EGRESS_NETWORK"
            )
        if name != deployed.network:
            client.connect_container_to_network(container_id, name)
    except NotFound as error:
        raise SettingsError(
            f"{contract.job} has to reach out (egress: true), and the engine has no network {name}: create it"
            f" (`docker network create {name}`), or name another in SLIPWAY_EGRESS_NETWORK"
        ) from error
    except APIError as error:
        raise EngineAwayError(f"the engine did not connect {contract.job} to {name}: {error.explanation}") from error
