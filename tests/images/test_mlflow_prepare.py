"""What the MLflow image does with a database before its server sees it, on SQLite in the image itself."""

import subprocess

import pytest

from images.recipe import read_lock

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("job_images")]

SCRIPT = """
import os, sqlite3, sys
sys.path.insert(0, "/opt/slipway")
os.environ.update(
    MLFLOW_BACKEND_STORE_URI="sqlite:////tmp/mlflow.db",
    MLFLOW_ADMIN_PASSWORD="of-the-administrator",
    MLFLOW_JOBS_PASSWORD="of-the-jobs-1",
)
import prepare
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

def revision(value=None, table="alembic_version"):
    with sqlite3.connect("/tmp/mlflow.db") as database:
        before = database.execute(f"select version_num from {table}").fetchone()[0]
        if value:
            database.execute(f"update {table} set version_num = '{value}'")
    return before

def lets_in(name, password):
    store = SqlAlchemyStore()
    store.init_db(os.environ["MLFLOW_BACKEND_STORE_URI"])
    return store.authenticate_user(name, password), store.get_user(name).is_admin

"""


def run(code):
    """What the code printed, and its complaints, line by line."""
    words = ["docker", "run", "--rm", "--interactive", "--read-only", "--tmpfs=/tmp", "--network=none"]
    command = [*words, read_lock()["mlflow"].reference, "python", "-W", "ignore", "-"]
    done = subprocess.run(command, input=SCRIPT + code, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_an_empty_database_is_filled_once_and_its_passwords_follow_the_environment():
    printed, complaints = run("""
print(prepare.main([]), prepare.main([]))
print(lets_in("admin", "of-the-administrator"), lets_in("jobs", "of-the-jobs-1"))
os.environ["MLFLOW_JOBS_PASSWORD"] = "of-the-jobs-2"
print(prepare.main([]), lets_in("jobs", "of-the-jobs-1")[0], lets_in("jobs", "of-the-jobs-2")[0])
""")
    assert complaints == []
    made = [line for line in printed if "tables:" in line]
    assert (len(made), made) == (2, [line for line in printed[:2] if "none -> " in line])
    assert printed.count("MLflow's database is ready for MLflow 3.17.2") == 3
    assert [line for line in printed if line[0] in "0("] == ["0 0", "(True, True) (True, False)", "0 False True"]


@pytest.mark.parametrize("table", ["alembic_version", "alembic_version_auth"])
def test_a_newer_database_is_refused_and_left_alone(table):
    printed, complaints = run(f"""
prepare.main([])
revision("f00d", {table!r})
print(prepare.main([]), prepare.main(["upgrade"]), revision(table={table!r}))
""")
    assert printed[-1] == "1 1 f00d"
    assert len(complaints) == 2
    assert "f00d) is newer than this server, MLflow 3.17.2" in complaints[0]
    assert complaints[0].endswith("start the image that upgraded it, or make restore of a backup from before")


def test_an_older_database_is_migrated_only_where_that_was_asked_for():
    printed, complaints = run("""
from alembic import command
from mlflow.store.db import utils
engine = utils.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"])
utils.InitialBase.metadata.create_all(engine)
config = utils._get_alembic_config(os.environ["MLFLOW_BACKEND_STORE_URI"])
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, "+5")
old = revision()
print(prepare.main([]), revision() == old)
print(prepare.main(["upgrade"]), revision() == old)
""")
    assert [line for line in printed if line[0] in "01"] == ["1 True", "0 False"]
    assert len(complaints) == 1
    assert complaints[0].endswith(": run make upgrade")
