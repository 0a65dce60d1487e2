#!/bin/sh
# Start the store; its root key is for the stack's own steps, jobs have one that opens their bucket alone.
set -eu
if [ ! -x /opt/rustfs/rustfs ]; then
    echo "this image was built without RustFS: set SLIPWAY_RUSTFS to the folder that holds it," \
        "or S3_ENDPOINT_URL to a store that you have, in .env; then make up" >&2
    exit 1
fi
RUSTFS_ACCESS_KEY=${STORE_ROOT_KEY:?set it in .env: make up does}
RUSTFS_SECRET_KEY=${STORE_ROOT_SECRET:?set it in .env: make up does}
export RUSTFS_ACCESS_KEY RUSTFS_SECRET_KEY
exec /opt/rustfs/rustfs server /data
