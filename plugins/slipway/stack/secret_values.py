"""The secrets of a stack: made at the first start, kept in `.env` alone, each different from the others."""

import base64
import os
import secrets
import string
from pathlib import Path

from slipway.errors import EnvFileError
from slipway.stack.env_file import Setting

FERNET = "AIRFLOW_FERNET_KEY"
ENDPOINT = "S3_ENDPOINT_URL"
BUCKET_KEYS = ("S3_ACCESS_KEY", "S3_SECRET_KEY")
# S3 stores take access keys up to 20 characters and secrets up to 40.
LENGTHS = {
    "AIRFLOW_DB_PASSWORD": 32,
    "MLFLOW_DB_PASSWORD": 32,
    "STORE_ROOT_KEY": 20,
    "STORE_ROOT_SECRET": 40,
    "S3_ACCESS_KEY": 20,
    "S3_SECRET_KEY": 40,
    "MLFLOW_ADMIN_PASSWORD": 24,
    "MLFLOW_JOBS_PASSWORD": 32,
    "MLFLOW_SECRET_KEY": 48,
    "AIRFLOW_ADMIN_PASSWORD": 24,
    FERNET: 44,
    "AIRFLOW_JWT_SECRET": 48,
    "AIRFLOW_API_SECRET_KEY": 48,
}
SHORTEST = 12
# Only at the beginning, where chance puts none of them into a secret of ours.
PLACEHOLDERS = (
    "change",
    "placeholder",
    "example",
    "password",
    "secret",
    "minioadmin",
    "rustfsadmin",
    "your-",
    "xxxxxx",
)


def external(given: dict[str, Setting]) -> bool:
    """Whether the bucket is in a store of the user's, which `.env` or the environment names."""
    return bool(os.environ.get(ENDPOINT)) or ENDPOINT in given


def missing(given: dict[str, Setting], path: Path) -> dict[str, str]:
    """New values for the secrets that the file doesn't have.

    Raises EnvFileError where a store of the user's is named without its keys: nobody can make those up.
    """
    absent = [name for name in LENGTHS if name not in given]
    if external(given) and (keys := [name for name in BUCKET_KEYS if name in absent]):
        raise EnvFileError(
            f"{path}: {ENDPOINT} names a store of yours, and {' and '.join(keys)} of its bucket"
            f" {'is' if len(keys) == 1 else 'are'} missing: add {'it' if len(keys) == 1 else 'them'}"
        )
    return {name: made(name) for name in absent}


def made(name: str) -> str:
    """A new secret; letters and digits, so that it means the same in a URL, a shell and a `.env`."""
    if name == FERNET:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(LENGTHS[name]))


def check(given: dict[str, Setting], path: Path) -> None:
    """Raises EnvFileError for a secret that guards nothing: a placeholder, a short one, or one that is used twice."""
    held = [given[name] for name in LENGTHS if name in given]
    seen: dict[str, Setting] = {}
    for secret in held:
        if fault := faulty(secret, external=external(given)):
            raise EnvFileError(
                f"{path}:{secret.number}: {secret.name} {fault}: remove the line, and `make up` makes a new one"
            )
        other = seen.setdefault(secret.value, secret)
        if other is not secret:
            raise EnvFileError(
                f"{path}:{secret.number}: {secret.name} is the same as {other.name} in line {other.number}:"
                " remove one of the two lines, and `make up` makes a new one"
            )


def faulty(secret: Setting, external: bool) -> str:
    """What is wrong with one secret, or nothing; keys of the user's own store are theirs to choose."""
    if secret.name in BUCKET_KEYS and external:
        return ""
    if secret.name == FERNET and not is_fernet(secret.value):
        return "is not 32 bytes in URL-safe base64 (was the file written halfway? a backup holds the key)"
    if secret.value.lower().startswith(PLACEHOLDERS):
        return "is a placeholder"
    return f"has fewer than {SHORTEST} characters" if len(secret.value) < SHORTEST else ""


def is_fernet(value: str) -> bool:
    try:
        return len(base64.b64decode(value, altchars=b"-_", validate=True)) == 32
    except ValueError:
        return False
