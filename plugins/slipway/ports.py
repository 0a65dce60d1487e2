"""Whether a port of this host is free."""

import errno
import socket

from slipway.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def taken(port: int) -> PortTakenError:
    """The error for a port that belongs to another program."""
    return PortTakenError(
        f"port {port} is taken by another program: set MLFLOW_PORT in .env (or `make demo MLFLOW_PORT={port + 1}`)"
    )


def check_free(port: int) -> None:
    """Raises PortTakenError when a program listens on the port."""
    # macOS lets one bind beside a program that listens on all addresses, so it is asked first.
    with socket.socket() as asking:
        asking.settimeout(1.0)
        if asking.connect_ex((LOOPBACK, port)) == 0:
            raise taken(port)
    with socket.socket() as trying:
        # Connections of a server that has just ended linger on its port and are no obstacle to the next.
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise taken(port) from error
