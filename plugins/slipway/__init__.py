"""Slipway: Airflow DAGs that run versioned, dockerised ML jobs."""
