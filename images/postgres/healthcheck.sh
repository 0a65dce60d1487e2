#!/bin/sh
# Exit 0 when each application's role is let in with its password, over the network, and a query is answered.
set -eu
for role in airflow mlflow; do
    case $role in
    airflow) PGPASSWORD=$AIRFLOW_DB_PASSWORD ;;
    mlflow) PGPASSWORD=$MLFLOW_DB_PASSWORD ;;
    esac
    export PGPASSWORD
    psql --no-psqlrc --quiet --tuples-only --host=127.0.0.1 --username="$role" --dbname="$role" \
        --command='SELECT 1' > /dev/null
done
