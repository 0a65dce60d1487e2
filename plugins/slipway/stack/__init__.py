"""The deployment that `make up` starts with compose: PostgreSQL, a store, MLflow and Airflow, as services that stay."""
