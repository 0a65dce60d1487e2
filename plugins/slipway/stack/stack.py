"""What one stack is: its name, its ports, its secrets and the settings that compose fills in."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from slipway import settings
from slipway.errors import SettingsError
from slipway.settings import Settings
from slipway.stack import env_file, secret_values
from slipway.stack.env_file import Setting

ENV_FILE = settings.ROOT / ".env"
DEFAULTS = {"S3_BUCKET": "slipway", "S3_REGION": "us-east-1", "S3_ENDPOINT_URL": "", "SLIPWAY_RUSTFS": ""}
# What says which stack is removed; a fault in another setting is no reason to let it run.
REMOVAL = ("SLIPWAY_PROJECT", "SLIPWAY_STATE")
# A name of a project becomes part of names that the engine and compose hold to these letters.
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,48}")


@dataclass(frozen=True)
class Stack:
    """One deployment by compose; `given` is what `.env` says, secrets too, and stands nowhere but there."""

    settings: Settings
    airflow_port: int
    given: dict[str, Setting]

    @property
    def name(self) -> str:
        """The project's name for compose, and of the label on this stack's job containers."""
        return f"{self.settings.project}-stack"

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        return self.settings.mlflow_url

    @property
    def own_store(self) -> bool:
        return not secret_values.external(self.given)

    @property
    def data_services(self) -> tuple[str, ...]:
        """The services that hold data."""
        return ("postgres", "store") if self.own_store else ("postgres",)

    @property
    def folder(self) -> Path:
        """Where what `slipway up` writes for this stack stands, untracked."""
        return self.settings.state / "stack"

    def value(self, name: str) -> str:
        """One setting. Secrets come from `.env` alone, since other programs may use such names too."""
        written = self.given[name].value if name in self.given else DEFAULTS.get(name, "")
        return written if name in secret_values.LENGTHS else os.environ.get(name) or written

    def login(self, user: str = "admin") -> tuple[str, str]:
        """A user of MLflow, `admin` or `jobs`, and the password."""
        return user, self.value(f"MLFLOW_{user.upper()}_PASSWORD")

    def environment(self) -> dict[str, str]:
        """What compose fills into its file."""
        names = {*self.given, *DEFAULTS, *secret_values.LENGTHS}
        return {
            **{name: self.value(name) for name in sorted(names)},
            "SLIPWAY_PROJECT": self.settings.project,
            "AIRFLOW_PORT": str(self.airflow_port),
            "MLFLOW_PORT": str(self.settings.mlflow_port),
            # A store of the user's is outside, so jobs need a way out to it.
            "JOBS_INTERNAL": "true" if self.own_store else "false",
        }


def read() -> Stack:
    """The stack as the settings say.

    Raises EnvFileError or SettingsError.
    """
    given = env_file.read(ENV_FILE)
    deployed = settings.read()
    if not PROJECT.fullmatch(deployed.project):
        raise SettingsError(
            f"SLIPWAY_PROJECT={deployed.project!r} can't name a stack: use small letters, digits, `-` and `_`"
        )
    written = given["AIRFLOW_PORT"].value if "AIRFLOW_PORT" in given else "8080"
    port = settings.whole("AIRFLOW_PORT", os.environ.get("AIRFLOW_PORT") or written, 1, 65535)
    if port == deployed.mlflow_port:
        raise SettingsError(f"AIRFLOW_PORT and MLFLOW_PORT are both {port}: change one of them in .env")
    return Stack(deployed, port, given)


def read_loosely() -> Stack:
    """The stack as far as it takes to remove it: a `.env` that nothing can be started with is no obstacle."""
    told = settings.given()
    return Stack(settings.read(told={name: told[name] for name in REMOVAL if name in told}), 0, {})
