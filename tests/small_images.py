"""Images for tests: the probe job on the smallest parent that has Python."""

import io
import json
import tarfile
from contextlib import suppress

from docker.errors import ImageNotFound
from probe_runs import FOLDER

from images.recipe import read_lock
from slipway import settings

BASE = read_lock()["base"].reference
LABELS = {
    "org.opencontainers.image.version": "0.1.0",
    "org.opencontainers.image.revision": "abc1234",
    "slipway.lock": "sha256:aa",
}
LOCK = """# images of the probe
base: {version: 0.1.0, lock: "sha256:00", digest: null}
data: {version: 0.1.0, lock: "sha256:aa", digest: null} # what the probe runs in
model: {version: 0.1.0, lock: "sha256:bb", digest: null}
"""


def build(client, name, **labels):
    """The ID of an image with the probe in it, and a tag that the test's session owns."""
    words = " ".join(f"{key}={json.dumps(value)}" for key, value in {**LABELS, **labels}.items())
    recipe = f"FROM {BASE}\nLABEL {words} name={name}\nCOPY jobs /opt/slipway/jobs\nCOPY python /usr/local/bin/\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(FOLDER / "jobs", "jobs")
        for path, text in (("Dockerfile", recipe), ("python", '#!/bin/sh\nexec python3 "$@"\n')):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    context.seek(0)
    tag = f"slipway-{name}:{settings.read().project}"
    built = list(client.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True))
    assert "error" not in built[-1], built[-1]
    return client.inspect_image(tag)["Id"]


def remove(client, image_id):
    """Every name that the image has, so that only a registry still holds it."""
    found = client.inspect_image(image_id)
    for name in [*found["RepoDigests"], *found["RepoTags"]]:
        with suppress(ImageNotFound):
            client.remove_image(name, force=True)
