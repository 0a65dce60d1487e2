"""Whether a port of this host is free."""

import errno
import socket

from slipway.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def taken(port: int, setting: str = "MLFLOW_PORT", word: str = "demo", holder: str = "") -> PortTakenError:
    """The error for a port that belongs to another program; `setting` moves it, `holder` is that program if known."""
    return PortTakenError(
        f"port {port} is taken by {holder or 'another program'}: set {setting} in .env"
        f" (or `make {word} {setting}={port + 1}`)"
    )


def check_free(port: int, setting: str = "MLFLOW_PORT", word: str = "demo", holder: str = "") -> None:
    """Raises PortTakenError when a program listens on the port."""
    error = taken(port, setting, word, holder)
    # macOS lets one bind beside a program that listens on all addresses, so it is asked first.
    with socket.socket() as asking:
        asking.settimeout(1.0)
        if asking.connect_ex((LOOPBACK, port)) == 0:
            raise error
    with socket.socket() as trying:
        # Connections of a server that has just ended linger on its port and are no obstacle to the next.
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((LOOPBACK, port))
        except OSError as refused:
            if refused.errno == errno.EADDRINUSE:
                raise error from refused
