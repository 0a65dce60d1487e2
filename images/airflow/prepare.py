"""Make the database ready before Airflow starts: `prepare.py`, or `prepare.py upgrade` to migrate an older one.

Then the administrator's password and the Variables that jobs are told by are what the environment says.
"""

import os
import subprocess
import sys
from typing import Literal

import sqlalchemy
import variables
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.db import _get_script_object
from airflow.utils.db_manager import RunDBManager
from airflow.utils.session import create_session
from airflow.version import version
from alembic.migration import MigrationContext
from werkzeug.security import check_password_hash

State = Literal["empty", "behind", "ready", "ahead"]


def main() -> int:
    """Exit 0 with a database that this Airflow can use, else 1 with one line."""
    try:
        found = state()
    except sqlalchemy.exc.OperationalError as error:
        return refused(f"Airflow's database does not answer: {str(error.orig).strip().splitlines()[0]}")
    if found == "ahead":
        return refused(
            f"Airflow's database was made by a newer Airflow than {version}: put the newer image back in"
            " images/images.lock, or restore a backup from before the upgrade with `make restore`"
        )
    if found == "behind" and "upgrade" not in sys.argv[1:]:
        return refused(
            f"Airflow's database is older than Airflow {version}: `make upgrade` makes a backup and migrates it"
        )
    if found != "ready":
        migrated = subprocess.run(["airflow", "db", "migrate"], capture_output=True, text=True, check=False)  # noqa: S607
        if migrated.returncode:
            return refused(f"Airflow's database can't be migrated: {(migrated.stderr or migrated.stdout)[-2000:]}")
    try:
        variables.keep()
    except variables.LostKeyError as error:
        return refused(str(error))
    keep_administrator(os.environ["AIRFLOW_ADMIN_PASSWORD"])
    sys.stdout.write(f"Airflow {version}: the database was {found} and is ready\n")
    return 0


def state() -> State:
    """Where the database stands beside the migrations that this Airflow knows."""
    scripts = _get_script_object()
    engine = sqlalchemy.create_engine(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return "empty"
    if current not in {script.revision for script in scripts.walk_revisions()}:
        return "ahead"
    return "ready" if current in scripts.get_heads() and providers_are_ready() else "behind"


def providers_are_ready() -> bool:
    """Whether the tables of providers, the login's among them, are at their newest as well."""
    with create_session() as session:
        return bool(RunDBManager().check_migration(session))


def keep_administrator(password: str) -> None:
    """The user admin with this password; users and roles that people made stay as they are."""
    with get_application_builder() as builder:
        security = builder.sm
        user = security.find_user("admin")
        if user is None:
            role = security.find_role("Admin")
            security.add_user("admin", "Slipway", "Administrator", "admin@example.invalid", role, password)
        elif not check_password_hash(user.password, password):
            security.reset_password(user.id, password)


def refused(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
