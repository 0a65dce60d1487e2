"""Exit 0 when the store takes an object and gives it back."""

import os
import sys
import uuid

sys.path.insert(0, "/opt/slipway")  # `-I` keeps everything else out, and with it most of Python's start

from images.store.signed import Signer

# A bucket of its own, so that the team's bucket holds what the team put there and nothing else.
OBJECT = "/slipway-health/object"


def main() -> str | None:
    """What is wrong, or None."""
    store = Signer("http://127.0.0.1:9000", os.environ["STORE_ROOT_KEY"], os.environ["STORE_ROOT_SECRET"])
    content = uuid.uuid4().hex.encode()
    try:
        put = store.request("PUT", OBJECT, body=content)
        if put[0] == 404:
            store.request("PUT", os.path.dirname(OBJECT))  # noqa: PTH120 - part of a URL
            put = store.request("PUT", OBJECT, body=content)
        got = store.request("GET", OBJECT)
    except OSError as error:
        return f"the store does not answer: {error}"
    return None if (put[0], got) == (200, (200, content)) else f"put: {put[0]}, get: {got[0]}"


if __name__ == "__main__":
    sys.exit(main())
