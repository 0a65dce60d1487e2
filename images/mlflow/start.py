"""Become the MLflow server: behind a login where MLFLOW_ADMIN_PASSWORD is set, else open as the demo has it."""

import configparser
import os
from pathlib import Path

SERVER = ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--serve-artifacts"]  # noqa: S104
SETTINGS = Path("/tmp/basic_auth.ini")  # noqa: S108 - a tmpfs of this container


def main() -> None:
    """The login's settings hold the database's password: they are written where no layer and no volume keeps them."""
    command = SERVER
    if os.environ.get("MLFLOW_ADMIN_PASSWORD"):
        settings = configparser.ConfigParser(interpolation=None)
        settings["mlflow"] = {
            # Jobs own what they make; whoever else is let in is given rights by the administrator.
            "default_permission": "NO_PERMISSIONS",
            "database_uri": os.environ["MLFLOW_BACKEND_STORE_URI"].replace("%", "%%"),
            "admin_username": "admin",
            # Without it each call hashes the password again, a third of a second long.
            "auth_cache_ttl_seconds": "60",
        }
        with os.fdopen(os.open(SETTINGS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            settings.write(opened)
        os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(SETTINGS)
        os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] = os.environ["MLFLOW_ADMIN_PASSWORD"]
        command = [*SERVER, "--app-name", "basic-auth"]
    os.execvp(command[0], command)  # noqa: S606 - no shell, and nothing of a user's in it


if __name__ == "__main__":
    main()
