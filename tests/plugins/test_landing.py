"""Files come into landing as a whole or not at all, in both runtimes."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from slipway import engine, image_refs, settings
from slipway.embedded import deployment, engine_project, landing
from slipway.embedded.landing import Arrival
from slipway.errors import LandingError
from slipway.settings import Settings

HERE = PurePosixPath()
Listing = Callable[[], dict[str, int]]
RUNTIMES = ["process", pytest.param("docker", marks=pytest.mark.containers)]
LIST = "import json,os; print(json.dumps({os.path.join(d, f): os.stat(os.path.join(d, f)).st_size for d, _, n in os.walk('/lake') for f in n}))"  # noqa: E501


@pytest.fixture
def deployed(tmp_path) -> Settings:
    return replace(settings.read(), state=tmp_path / "state")


@pytest.fixture
def chosen(request, deployed) -> Iterator[str]:
    """The runtime; what its lake holds goes at the end."""
    if request.param == "docker":
        request.getfixturevalue("job_images")
    yield request.param
    if request.param == "docker":
        deployment.stop(replace(deployed, runtime="docker"), volumes=True)


@pytest.fixture
def listing(chosen, deployed) -> Listing:
    """All files of the lake, with their sizes, hidden ones too."""

    def in_folder() -> dict[str, int]:
        lake = deployed.state / "lake"
        return {str(path.relative_to(lake)): path.stat().st_size for path in lake.rglob("*") if path.is_file()}

    return in_folder if chosen == "process" else lambda: in_volume(deployed)


def in_volume(deployed: Settings) -> dict[str, int]:
    with engine.connect() as client:
        container = client.create_container(
            image_refs.resolve("data", deployed.images).reference,
            command=["python", "-c", LIST],
            labels=engine_project.labels(deployed),
            host_config=client.create_host_config(binds=[f"{deployed.lake_volume}:/lake"]),
        )["Id"]
        client.start(container)
        client.wait(container)
        found = json.loads(client.logs(container))
        client.remove_container(container)
    return {str(Path(path).relative_to("/lake")): size for path, size in found.items()}


def csv(folder: Path, name: str, text: str = "a,b\n1,2\n") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("chosen", RUNTIMES, indirect=True)
def test_several_files_land_and_a_second_landing_replaces_and_says_so(tmp_path, deployed, chosen, listing):
    files = landing.arrivals([csv(tmp_path, "one.csv"), csv(tmp_path, "zwölf.csv", "")], None)
    assert landing.land(files, HERE, chosen, deployed) == {"one.csv": False, "zwölf.csv": False}
    longer = landing.arrivals([csv(tmp_path, "one.csv", "a,b\n1,2\n3,4\n")], None)
    assert landing.land(longer, HERE, chosen, deployed) == {"one.csv": True}
    assert landing.land(longer, landing.inside("bike/2012"), chosen, deployed) == {"one.csv": False}
    assert listing() == {"landing/one.csv": 12, "landing/zwölf.csv": 0, "landing/bike/2012/one.csv": 12}


@pytest.mark.parametrize("chosen", RUNTIMES, indirect=True)
def test_a_file_that_becomes_shorter_while_it_is_read_leaves_nothing(tmp_path, deployed, chosen, listing):
    whole = landing.arrivals([csv(tmp_path, "whole.csv")], None)
    shrunk = Arrival(Path(csv(tmp_path, "shrunk.csv")), "shrunk.csv", 5_000_000)
    with pytest.raises(LandingError, match=r"shrunk.csv became shorter while it was read"):
        landing.land([*whole, shrunk], HERE, chosen, deployed)
    assert listing() == {}


@pytest.mark.parametrize("chosen", RUNTIMES, indirect=True)
def test_a_large_file_lands_in_bounded_memory(tmp_path, deployed, chosen, listing):
    large = tmp_path / "large.csv"
    with large.open("wb") as opened:
        opened.truncate(300_000_000)
    program = f"""
import resource, sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from slipway import settings
from slipway.embedded import landing
deployed = replace(settings.read(), state=Path({str(deployed.state)!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
landing.land(landing.arrivals([{str(large)!r}], None), PurePosixPath(), {chosen!r}, deployed)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // (1 if sys.platform == "linux" else 1024))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 50_000
    assert listing() == {"landing/large.csv": 300_000_000}


def test_the_stream_is_a_tar_that_belongs_to_the_job_and_ends_with_its_mark(tmp_path):
    files = landing.arrivals([csv(tmp_path, "one.csv")], "other.csv")
    with tarfile.open(
        fileobj=io.BytesIO(b"".join(landing.tar(files, PurePosixPath("landing/.incoming/x"))))
    ) as archive:
        members = [(member.name, member.uid, member.isdir()) for member in archive.getmembers()]
    assert members == [
        ("landing", 10001, True),
        ("landing/.incoming", 10001, True),
        ("landing/.incoming/x", 10001, True),
        ("landing/.incoming/x/other.csv", 10001, False),
        ("landing/.incoming/x/.complete", 10001, False),
    ]


def test_a_file_that_is_not_there_is_named_before_anything_is_copied(tmp_path, deployed):
    with pytest.raises(LandingError, match=r"no file .*absent.csv here"):
        landing.arrivals([csv(tmp_path, "one.csv"), str(tmp_path / "absent.csv")], None)
    assert not deployed.state.exists()


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(LandingError, match="is a folder: name the files in it"):
        landing.arrivals([str(tmp_path)], None)


@pytest.mark.parametrize("name", ["../up.csv", ".hidden.csv", "a/b.csv", "a\\b.csv", "line\nbreak.csv"])
def test_a_name_that_leads_out_of_landing_is_refused(tmp_path, name):
    with pytest.raises(LandingError, match="can't be a name in landing"):
        landing.arrivals([csv(tmp_path, "one.csv")], name)


@pytest.mark.parametrize("folder", ["..", "bike/..", "/etc", "bike//2012", ".incoming"])
def test_a_folder_that_leads_out_of_landing_is_refused(folder):
    with pytest.raises(LandingError, match="can't be a name in landing"):
        landing.inside(folder)


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(LandingError, match=r"two of the files are called one.csv"):
        landing.arrivals([csv(tmp_path, "one.csv"), csv(tmp_path / "other", "one.csv")], None)
    with pytest.raises(LandingError, match="--as x names one file, but 2 were given"):
        landing.arrivals([csv(tmp_path, "one.csv"), csv(tmp_path, "two.csv")], "x")
