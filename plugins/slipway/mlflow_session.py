"""A conversation with one MLflow that may be away for a while: patient, on one connection, and never deaf to a stop."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from slipway import mlflow_rest
from slipway.errors import TrackingAwayError, TrackingRefusedError
from slipway.tracking_address import Tracking

PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = (0.2, 5.0)
# An API whose server runs but whose database does not says so with one of the 5xx.
AWAY = 500
API = "/api/2.0/mlflow/"
PROXIED = "/api/2.0/mlflow-artifacts/artifacts/"


def nothing() -> None:
    """Nobody wants to interrupt."""


class Session:
    """Asks the address that answers; `interrupted` is called while it waits, and raises where the wait must end."""

    def __init__(
        self, tracking: Tracking, interrupted: Callable[[], None] = nothing, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.tracking, self.interrupted = tracking, interrupted
        self.patience_seconds = patience_seconds
        self.timeout_seconds = 20.0
        self.addresses = list(dict.fromkeys((tracking.inner, tracking.public)))
        self.clients: dict[str, httpx.Client] = {}
        self.silent_since: float | None = None
        self.pause = PAUSE_SECONDS[0]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        self.clients = {}

    def hurry(self, seconds: float) -> None:
        """From here on there is no time to wait."""
        self.patience_seconds, self.timeout_seconds = 0.0, seconds
        self.interrupted = nothing
        self.close()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """What MLflow answers, asked again while it is away: so only for what may be said twice.

        Raises TrackingAwayError once it has been silent for longer than the patience, or TrackingRefusedError.
        """
        while True:
            try:
                return self.once(method, path, **options)
            except TrackingAwayError as error:
                self.bear(error)

    def once(self, method: str, path: str, **options: Any) -> Any:
        """What MLflow answers, None where it knows no such thing; asked once of the address that answers."""
        last: Exception | None = None
        for address in list(self.addresses):
            try:
                response = self.client(address).request(method, path, **options)
                answer = self.read(response, address)
            except (httpx.HTTPError, ValueError) as error:
                last = error
                # A request that was sent may have been heard; the other address leads to the same server.
                if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    break
                continue
            self.addresses = [address]
            self.silent_since, self.pause = None, PAUSE_SECONDS[0]
            return answer
        raise TrackingAwayError(f"MLflow at {self.addresses[0]} did not answer ({last or 'no address'})") from last

    def read(self, response: httpx.Response, address: str) -> Any:
        """Raises TrackingRefusedError for what asking again would not change, else httpx.HTTPError."""
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.status_code in mlflow_rest.LOGIN_REFUSED:
            raise TrackingRefusedError(mlflow_rest.refused_login(address, response.status_code))
        if response.is_client_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise TrackingRefusedError(f"MLflow at {address} refuses {response.url.path}: {response.text[:300]}")
        # An upload is answered with nothing.
        return response.raise_for_status().json() if response.content else {}

    def client(self, address: str) -> httpx.Client:
        if address not in self.clients:
            self.clients[address] = mlflow_rest.client(address, self.timeout_seconds, self.tracking.login)
        return self.clients[address]

    def bear(self, error: TrackingAwayError) -> None:
        """Wait a little, or raise the error where the patience has ended."""
        now = time.monotonic()
        self.silent_since = self.silent_since or now
        if now - self.silent_since >= self.patience_seconds:
            raise error
        until = now + self.pause
        while time.monotonic() < until:
            self.interrupted()
            time.sleep(0.1)
        self.pause = min(2 * self.pause, PAUSE_SECONDS[1])
