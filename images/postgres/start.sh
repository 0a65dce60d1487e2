#!/bin/sh
# Start PostgreSQL; from here on the passwords of its roles are those of the environment.
set -eu

: "${AIRFLOW_DB_PASSWORD:?set it in .env: make up does}" "${MLFLOW_DB_PASSWORD:?set it in .env: make up does}"

user=$(id -u)
for folder in "$(dirname "$PGDATA")" "$PGDATA"; do
    if [ -e "$folder" ] && [ ! -O "$folder" ]; then
        echo "$folder belongs to user $(stat -c %u "$folder") and PostgreSQL is user $user here: give the volume back" \
            "(docker run --rm --user 0 --volumes-from $(hostname) IMAGE chown -R $user:$user $(dirname "$PGDATA"))" >&2
        exit 1
    fi
done

# A container that was killed leaves a process number that here may be another program's, and PostgreSQL would not start.
# The lock, which goes on with every process that follows, is what keeps a second server from the same data.
exec 9> "$PGDATA.lock"
if ! flock --nonblock 9; then
    echo "another PostgreSQL uses this volume: stop that container first" >&2
    exit 1
fi
rm -f "$PGDATA/postmaster.pid"

installed=$(basename "$(dirname "$(dirname "$(command -v postgres)")")")
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside its place and moved there whole: what is in its place was finished.
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --auth=reject --data-checksums \
        --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8 > /dev/null
    mv "$PGDATA.new" "$PGDATA"
elif [ "$(cat "$PGDATA/PG_VERSION")" != "$installed" ]; then
    echo "the data is of PostgreSQL $(cat "$PGDATA/PG_VERSION"), this is $installed:" \
        "make backup with the former image, then make restore with this one" >&2
    exit 1
fi

settings="-c config_file=/opt/slipway/postgresql.conf -c data_directory=$PGDATA"
# Nobody but this script reaches the server before the roles are as the environment says.
# shellcheck disable=SC2086
pg_ctl --pgdata="$PGDATA" --wait --timeout=600 --silent --options="$settings -c listen_addresses=''" start
psql --no-psqlrc --quiet --host=/tmp --username=postgres --set=ON_ERROR_STOP=1 --file=/opt/slipway/roles.sql
pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
# shellcheck disable=SC2086
exec postgres $settings
