"""MLflow's database before its server: `python prepare.py` fills an empty one, `python prepare.py upgrade` migrates.

The server itself would migrate without a word, and the version before it could then never start again.
Afterwards the users `admin` and `jobs` have the passwords of the environment.
"""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlflow
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.exceptions import MlflowException
from mlflow.server.auth.db import utils as auth_schema
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.db import utils as tracking_schema
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

USERS = {"admin": "MLFLOW_ADMIN_PASSWORD", "jobs": "MLFLOW_JOBS_PASSWORD"}


class RefusedError(Exception):
    """The database is not this server's to use as it is; the message says what to do."""


@dataclass(frozen=True)
class Schema:
    """One of the two sets of tables in MLflow's database, each with a revision of its own."""

    title: str
    versions: str
    scripts: ScriptDirectory
    migrate: Callable[[Any], None]


def schemas() -> list[Schema]:
    tracking = ScriptDirectory.from_config(tracking_schema._get_alembic_config(""))
    users = ScriptDirectory.from_config(auth_schema._get_alembic_config(""))
    return [
        Schema("tracking", "alembic_version", tracking, tracking_schema._initialize_tables),
        Schema("login", "alembic_version_auth", users, lambda engine: auth_schema.migrate(engine, "head")),
    ]


def settle(schema: Schema, engine: Any, upgrade: bool) -> None:
    """Raises RefusedError where the tables are older than this server, unless asked to upgrade, or newer."""
    with engine.connect() as connection:
        options = {"version_table": schema.versions}
        there = MigrationContext.configure(connection, opts=options).get_current_revision()
    newest = schema.scripts.get_current_head()
    if there == newest:
        return
    # None: an empty database, or one whose first filling was broken off.
    if there is not None and there not in {script.revision for script in schema.scripts.walk_revisions()}:
        raise RefusedError(
            f"MLflow's database ({schema.title} tables {there}) is newer than this server, MLflow {mlflow.__version__}"
            f" ({newest}): start the image that upgraded it, or make restore of a backup from before"
        )
    if there is not None and not upgrade:
        raise RefusedError(
            f"MLflow's database ({schema.title} tables {there}) is older than this server, MLflow {mlflow.__version__}"
            f" ({newest}): run make upgrade"
        )
    schema.migrate(engine)
    sys.stdout.write(f"{schema.title} tables: {there or 'none'} -> {newest}\n")


def keep_users(store: SqlAlchemyStore) -> None:
    """Make what is missing; a password that was changed elsewhere is set back, since `.env` is what jobs go by."""
    for name, variable in USERS.items():
        password = os.environ[variable]
        if not store.has_user(name):
            store.create_user(name, password, is_admin=name == "admin")
        elif not store.authenticate_user(name, password):
            store.update_user(name, password=password)
    # Without it MLflow answers 403 for a model that nobody has registered yet, and predict could not tell "no champion"
    # from a wrong login.
    store.grant_user_permission("jobs", "registered_model", "*", "READ")


def main(arguments: list[str]) -> int:
    """Exit 0, else 1 with one line."""
    logging.disable(logging.WARNING)
    address = os.environ["MLFLOW_BACKEND_STORE_URI"]
    try:
        engine = create_engine(address)
        for schema in schemas():
            settle(schema, engine, upgrade=arguments == ["upgrade"])
        store = SqlAlchemyStore()
        store.init_db(address)
        keep_users(store)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SQLAlchemyError, MlflowException) as error:
        said = " ".join(str(error).split()).partition(" (Background")[0][:300]
        sys.stderr.write(f"MLflow's database can't be prepared: {said}: is PostgreSQL up? then make up\n")
        return 1
    sys.stdout.write(f"MLflow's database is ready for MLflow {mlflow.__version__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
