"""What Slipway registers with Airflow."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Slipway's pages; loaded with the first visit, since every task loads plugins and none serves pages."""
    from slipway.web import app

    await app(scope, receive, send)


class SlipwayPlugin(AirflowPlugin):
    """Names the package in `airflow plugins`; its parts for the user interface hang here."""

    name = "slipway"
    fastapi_apps: ClassVar[list[Any]] = [{"app": pages, "url_prefix": "/slipway", "name": "slipway"}]
