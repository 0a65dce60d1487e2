"""The engine and the registry's login that an Airflow connection of type docker names, or those of this machine."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import docker
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError
from docker import TLSConfig, auth
from docker.errors import TLSParameterError

from slipway import engine
from slipway.errors import SettingsError

TLS_FILES = ("ca_cert", "client_cert", "client_key")


@dataclass(frozen=True)
class EngineConnection:
    """An empty address is this machine's engine; without a username the engine's own `docker login` counts."""

    address: str = ""
    tls: TLSConfig | None = None
    registry: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def client(self) -> docker.APIClient:
        """A client of that engine.

        Raises EngineAwayError when none answers.
        """
        return engine.connect(address=self.address, tls=self.tls)

    def login(self, registry: str) -> dict[str, str] | None:
        """The login for a registry; None for any other than the connection's own, which must not see it."""
        if not self.username or registry != self.registry:
            return None
        return {"username": self.username, "password": self.password, "serveraddress": registry}


def of(connection_id: str | None) -> EngineConnection:
    """What the connection says; without one, this machine's engine.

    Raises SettingsError for a connection that is not there or can't be used.
    """
    if connection_id is None:
        return EngineConnection()
    try:
        found = Connection.get(connection_id)
    except (AirflowNotFoundException, AirflowRuntimeError):
        raise SettingsError(
            f"Airflow connection {connection_id!r} of the pipeline's docker_conn_id is not there: add it under"
            " Admin > Connections, type docker"
        ) from None
    address = str(found.extra_dejson.get("engine") or "")
    if address.startswith("ssh://") and find_spec("paramiko") is None:
        raise SettingsError(f"Airflow connection {connection_id}: ssh:// needs the package paramiko beside Airflow")
    # Docker's own registry has an address for logins, and another name in references.
    host = auth.resolve_index_name((found.host or "").split("://")[-1].split("/")[0])
    return EngineConnection(
        address,
        tls(connection_id, found.extra_dejson),
        f"{host}:{found.port}" if found.port else host,
        found.login or "",
        found.password or "",
    )


def tls(connection_id: str, extra: dict[str, Any]) -> TLSConfig | None:
    """The TLS of an engine's address; None where the connection names no file for it."""
    authority, certificate, key = (extra.get(name) for name in TLS_FILES)
    if not (authority or certificate or key):
        return None
    try:
        pair = (str(certificate or ""), str(key or "")) if certificate or key else None
        return TLSConfig(ca_cert=authority, client_cert=pair, verify=True)
    except TLSParameterError as error:
        said = str(error).split(" TLS configurations")[0]
        raise SettingsError(f"Airflow connection {connection_id}: {', '.join(TLS_FILES)}: {said}") from error
