"""What Slipway registers with Airflow."""

from airflow.plugins_manager import AirflowPlugin


class SlipwayPlugin(AirflowPlugin):
    """Names the package in `airflow plugins`; its parts for the user interface hang here."""

    name = "slipway"
