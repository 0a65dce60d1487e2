#!/bin/sh
# Install Debian's PostgreSQL. The mirror comes as a build secret and its list lies in a tmpfs, so no layer keeps either.
set -eu

if [ -s /run/secrets/settings ]; then
    . /run/secrets/settings
fi
. /etc/os-release

work=$(mktemp -d)
list=$work/sources.list
# The official slim image brings lists of its own; a Debian made from packages has none.
if [ -n "${DEBIAN_MIRROR:-}" ] || ! ls /etc/apt/sources.list /etc/apt/sources.list.d/* >/dev/null 2>&1; then
    signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    echo "deb $signed ${DEBIAN_MIRROR:-http://deb.debian.org/debian} $VERSION_CODENAME main" > "$list"
    if [ -n "${DEBIAN_SECURITY_MIRROR:-}" ]; then
        echo "deb $signed $DEBIAN_SECURITY_MIRROR $VERSION_CODENAME-security main" >> "$list"
    fi
    set -- -o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=/dev/null
fi
if [ -s /run/secrets/ca ]; then
    set -- "$@" -o Acquire::https::CAInfo=/run/secrets/ca
fi
mkdir -p "$work/lists/partial" "$work/archives/partial"
set -- "$@" -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o Acquire::Languages=none -o APT::Sandbox::User=root

export DEBIAN_FRONTEND=noninteractive
apt-get "$@" --quiet update
apt-get "$@" --quiet install --yes --no-install-recommends postgresql-common
# The data folder is made by the entry point, in a volume; a cluster in a layer would be dead weight.
sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
apt-get "$@" --quiet install --yes --no-install-recommends postgresql-17
rm -rf /var/log/apt /var/log/dpkg.log /var/cache/apt/*.bin /var/cache/debconf/*-old "$work"
