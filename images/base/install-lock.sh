#!/bin/sh
# install-lock.sh pip|uv FOLDER: make FOLDER a virtual environment of a requirements.txt (pip: FOLDER's, uv: the one here).
# The certificates and the index come as build secrets and are joined in a tmpfs, so no layer keeps them.
set -eu

if [ -s /run/secrets/settings ]; then
    set -a
    . /run/secrets/settings
    set +a
fi
if [ -s /run/secrets/ca ]; then
    certificates=$(mktemp)
    cat /etc/ssl/certs/ca-certificates.crt /run/secrets/ca > "$certificates"
    export SSL_CERT_FILE="$certificates" PIP_CERT="$certificates" REQUESTS_CA_BUNDLE="$certificates"
fi
export UV_SYSTEM_CERTS=1

case $1 in
pip)
    python3 -m venv "$2"
    "$2/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --require-hashes --requirement "$2/requirements.txt"
    ;;
uv)
    export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_PROGRESS=1
    /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" "$2"
    sync="/opt/uv/bin/uv pip sync --python $2/bin/python --require-hashes --only-binary :all:"
    $sync requirements.txt
    # The libraries' own tests, which no job imports, are a third of the files to compile (measured: 2293 of 7536).
    find "$2" -type d -name tests -prune -exec rm -rf {} +
    $sync --compile-bytecode requirements.txt
    ;;
esac
