"""Exit 0 when a part of Airflow does its work: `healthcheck.py api-server|scheduler|dag-processor`."""

import json
import os
import sys
import urllib.request
from datetime import UTC, datetime

ADDRESSES = {
    "api-server": "http://127.0.0.1:8080/api/v2/monitor/health",
    "scheduler": "http://127.0.0.1:8974/health",
}
QUERY = "select max(latest_heartbeat) from job where job_type = 'DagProcessorJob' and state = 'running'"
SILENT_SECONDS = 60


def main(part: str) -> str | None:
    """What is wrong, or None."""
    try:
        return silent_processor() if part == "dag-processor" else unhealthy(part)
    except Exception as error:
        return f"{part}: {type(error).__name__}: {error}"


def unhealthy(part: str) -> str | None:
    """The scheduler says by its status alone whether its own heart beats, which it does in the database."""
    with urllib.request.urlopen(ADDRESSES[part], timeout=8) as answer:  # noqa: S310 - a fixed http address
        told = answer.read()
    if part == "scheduler" or json.loads(told)["metadatabase"]["status"] == "healthy":
        return None
    return f"{part}: the database is not healthy"


def silent_processor() -> str | None:
    """Asked in SQL: Airflow's own check takes seconds of processor time, each time."""
    import psycopg2

    address = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2:", "postgresql:")
    connection = psycopg2.connect(address, connect_timeout=5)
    with connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        (beat,) = cursor.fetchone() or (None,)
    connection.close()
    if beat and (datetime.now(UTC) - beat).total_seconds() < SILENT_SECONDS:
        return None
    return f"dag-processor: its last heartbeat was at {beat}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
