"""The tar that fills `/job`: inputs to read, secrets for the job's user alone, two folders to write in."""

import io
import json
import tarfile

from slipway.hardening import JOB_USER
from slipway.job_inputs import JobRequest


def archive(request: JobRequest, owner: int = JOB_USER) -> bytes:
    """Everything that one run is given; `owner` is the user ID that the job runs as."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in (("in", 0o555), ("secrets", 0o500), ("out", 0o700), ("scratch", 0o700)):
            tar.addfile(entry(name, mode, owner, tarfile.DIRTYPE))
        texts = {f"secrets/{name}": (value, 0o400) for name, value in request.secrets.items()}
        texts["in/inputs.json"] = (json.dumps(request.inputs, indent=2), 0o444)
        for name, (text, mode) in texts.items():
            member = entry(name, mode, owner)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def entry(name: str, mode: int, owner: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid = kind, mode, owner, owner
    return member
