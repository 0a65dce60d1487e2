"""Put, get and remove one object, as a program in the store's image; prints how far the store's clock is from this one.

Its text is sent into a container, so all it has is what that image has.
"""

import sys
import time
import uuid
from email.utils import parsedate_to_datetime
from importlib import import_module

sys.path.insert(0, "/opt/slipway")


def probe() -> float:
    """Seconds that the store's clock is ahead."""
    bucket = import_module("images.store.bucket").of_environment()
    store = bucket.client()
    place = {"Bucket": bucket.name, "Key": f".slipway/doctor-{uuid.uuid4().hex}"}
    put = store.put_object(**place, Body=place["Key"].encode())
    skew = parsedate_to_datetime(put["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp() - time.time()
    same = store.get_object(**place)["Body"].read() == place["Key"].encode()
    store.delete_object(**place)
    if not same:
        raise SystemExit("an object came back as something else: don't keep data in this store")
    return skew


if __name__ == "__main__":
    sys.stdout.write(f"{probe():.1f}\n")
