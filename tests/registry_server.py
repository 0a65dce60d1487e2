"""The registry that Debian packages, on loopback, behind a password."""

import base64
import json
import os
import socket
import subprocess
import time
from contextlib import suppress

import httpx

USER = "jobs"
# bcrypt, the one form that the registry takes; Python has lost its module for it.
VALID = "slipway"
HASHES = {
    VALID: "$2y$05$abcdefghijklmnopqrstuuTbRj4JTB65o.ipLCknMlpHjEAa4HxM6",
    "renewed": "$2y$05$abcdefghijklmnopqrstuuQwGJsbwS4qKGorr6nNwFg4PbvdEUxI2",
}


class RegistryServer:
    """One registry with its data in a folder; stopped and started again it keeps port and data."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.config = folder / "config.yml"
        self.config.write_text("version: 0.1\nlog: {accesslog: {disabled: true}}\n")
        self.process = None

    def start(self, password=VALID):
        passwords = self.folder / "htpasswd"
        passwords.write_text(f"{USER}:{HASHES[password]}\n")
        settings = {
            "HTTP_ADDR": self.address,
            "STORAGE_FILESYSTEM_ROOTDIRECTORY": str(self.folder / "data"),
            "AUTH": "htpasswd",
            "AUTH_HTPASSWD_REALM": "slipway",
            "AUTH_HTPASSWD_PATH": str(passwords),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", self.config],
                env={**os.environ, **{f"REGISTRY_{name}": value for name, value in settings.items()}},
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 20
        while not self.answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def answers(self):
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://{self.address}/v2/", trust_env=False).status_code == 401
        return False

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def forget(self):
        """As after somebody has cleaned it up: all manifests are gone."""
        for path in (self.folder / "data").rglob("_manifests"):
            path.rename(path.with_name("_gone"))

    def login(self, password=VALID):
        """What `docker login` would leave in config.json."""
        word = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": word}}})
