"""The networks of the embedded deployment: the one of the jobs, with no way out, and an ordinary one beside it.

MLflow is on both, since an internal network publishes no port.
"""

import docker

from slipway.errors import NetworkInUseError, SettingsError
from slipway.progress import say
from slipway.settings import Settings

# An internal network still leads to the host's own addresses, by the one of its bridge (Docker 20.10); so it gets none.
NO_HOST = {"com.docker.network.bridge.inhibit_ipv4": "true"}


def create(client: docker.APIClient, deployed: Settings, labels: dict[str, str]) -> None:
    """Create both where they are not there yet.

    Raises SettingsError where both have one name.
    """
    if deployed.network == deployed.egress_network:
        raise SettingsError(
            f"SLIPWAY_NETWORK and SLIPWAY_EGRESS_NETWORK are both {deployed.network}, and one of them has no way out:"
            " give them two names in .env"
        )
    if found(client, deployed.network) is None:
        client.create_network(deployed.network, driver="bridge", internal=True, options=NO_HOST, labels=labels)
    if found(client, deployed.egress_network) is None:
        client.create_network(deployed.egress_network, driver="bridge", labels=labels)


def found(client: docker.APIClient, name: str) -> dict[str, object] | None:
    """The network of that name; the engine's own filter matches parts of names too."""
    return next((network for network in client.networks(names=[name]) if network["Name"] == name), None)


def older(client: docker.APIClient, deployed: Settings, labels: dict[str, str]) -> str | None:
    """The ID of a jobs' network that an older Slipway made with a way out; one of somebody else's is theirs to mend."""
    network = found(client, deployed.network)
    if network is None or network["Internal"]:
        return None
    if network["Labels"] != labels:
        say(f"network {deployed.network} is not Slipway's and has a way out: so have the jobs")
        return None
    return str(network["Id"])


def check_unused(client: docker.APIClient, network: str, deployed: Settings) -> None:
    """Raises NetworkInUseError while something but MLflow is on it."""
    users = {one["Name"] for one in client.inspect_network(network)["Containers"].values()}
    if others := sorted(users - {deployed.mlflow_container}):
        raise NetworkInUseError(
            f"the network {deployed.network} was made with a way out, and {', '.join(others)} is still on it: wait"
            " until that has ended, or remove it (`make stop` does so for jobs), then run this again"
        )
