"""The built images, as the operator starts them: read-only root, no capability, the job's user."""

import json
import os
import ssl
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from images.recipe import ROOT, read_lock

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("job_images")]

HARDENED = [
    "--rm",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp",
    "--network=none",
]
IMPORTS = {
    "data": "boto3, deltalake, duckdb, mlflow, pyarrow, pydantic, sklearn, yaml",
    "model": "boto3, deltalake, duckdb, matplotlib.pyplot, mlflow.sklearn, pandas, sklearn.ensemble, skops.io, jobs",
}
PROBE = """
import os, pathlib, {imports}, sysconfig
folders = [pathlib.Path(name) for name in ("/job/in", "/job/out", "/job/secrets", "/job/scratch", "/lake")]
print(os.getuid(), os.getgid(), os.getcwd(), sorted({{folder.stat().st_uid for folder in folders}}))
sources = [*pathlib.Path("jobs").rglob("*.py"), *pathlib.Path(sysconfig.get_path("purelib"), "deltalake").rglob("*.py")]
tag = "__pycache__/{{}}.cpython-313.pyc"
print(len(sources) > 20, [str(s) for s in sources if not (s.parent / tag.format(s.stem)).is_file()])
"""


def run(name: str, code: str) -> list[str]:
    command = ["docker", "run", *HARDENED, read_lock()[name].reference, "python", "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("name", sorted(IMPORTS))
def test_a_job_image_starts_hardened_with_its_libraries_and_bytecode(name: str) -> None:
    answer = run(name, PROBE.format(imports=IMPORTS[name]))
    assert answer == ["10001 10001 /opt/slipway [10001]", "True []"]


@pytest.mark.parametrize(("name", "jobs"), [("data", ["ingest"]), ("model", ["predict", "promote", "train"])])
def test_a_job_image_holds_its_jobs_and_no_others(name: str, jobs: list[str]) -> None:
    found = run(
        name, "import pathlib; print(*sorted(p.parent.name for p in pathlib.Path('jobs').glob('*/__main__.py')))"
    )
    assert found == [" ".join(jobs)]


@pytest.mark.parametrize("name", ["base", "data", "model", "shell", "mlflow"])
def test_labels_say_what_an_image_is(name: str) -> None:
    recipe = read_lock()[name]
    answer = subprocess.run(["docker", "image", "inspect", recipe.reference], capture_output=True, check=True)
    image = json.loads(answer.stdout)[0]
    labels = image["Config"]["Labels"]
    assert image["Config"]["User"] == "10001:10001"
    assert labels["org.opencontainers.image.title"] == recipe.title
    assert labels["org.opencontainers.image.version"] == recipe.version
    assert labels["slipway.lock"] == recipe.lock
    assert labels["slipway.inputs"].startswith("sha256:")
    assert labels["org.opencontainers.image.revision"]


def test_no_layer_keeps_a_secret_uv_or_its_cache(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", archive, read_lock()["data"].reference], check=True)
    files = [member for layer in layers_of(archive) for member in layer]
    assert "opt/venv/bin/python" in {member.name.removeprefix("./") for member in files}
    assert [member.name for member in files if unwanted(member)] == []


def layers_of(archive: Path) -> list[list[tarfile.TarInfo]]:
    """The members of each layer; engines before 25 save `<ID>/layer.tar`, later ones `blobs/sha256/<hash>`."""
    with tarfile.open(archive) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))
        found = []
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                found.append(layer.getmembers())
    return found


def unwanted(member: tarfile.TarInfo) -> bool:
    places = ("run/secrets/", "opt/uv/", "root/.cache/uv/", "tmp/")
    return member.isfile() and member.name.removeprefix("./").startswith(places)


def test_the_images_trust_no_authority_of_this_machine() -> None:
    given = os.environ.get("SLIPWAY_CA_FILE") or os.environ.get("SSL_CERT_FILE")
    if not given:
        pytest.skip("this machine brings no authority of its own")
    theirs = "\n".join(run("data", "print(open('/etc/ssl/certs/ca-certificates.crt').read())"))
    here = Path(given).read_text(encoding="utf-8", errors="replace")
    extra = [block for block in here.split("-----BEGIN CERTIFICATE-----")[1:] if "-----END" in block]
    foreign = [block for block in extra if "Debian" not in block and company(block)]
    assert [block for block in foreign if block.split("-----END")[0].strip() in theirs] == []


def company(block: str) -> bool:
    """Whether a certificate is not among those that this machine's distribution ships."""
    body = block.split("-----END")[0].strip()
    shipped = Path("/usr/share/ca-certificates/mozilla")
    assert ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return not any(body in path.read_text(encoding="ascii") for path in shipped.glob("*.crt"))


def test_the_tests_look_at_the_images_of_this_checkout() -> None:
    known = json.loads((ROOT / "images/images.local.json").read_text())
    assert {"base", "data", "mlflow", "model", "shell"} <= set(known)


def test_no_layer_of_postgres_keeps_the_mirror_or_its_lists() -> None:
    subprocess.run([sys.executable, ROOT / "images" / "build.py", "postgres"], check=True)
    look = (
        "find /etc/apt/sources.list* /var/lib/apt/lists /var/cache/apt /opt/installer -type f 2>/dev/null; postgres -V"
    )
    command = ["docker", "run", *HARDENED, read_lock()["postgres"].reference, "sh", "-c", look]
    (version,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert version.startswith("postgres (PostgreSQL) 17.")
