"""The demo's two processes: what one tells, the other sees; and no second demo beside the first."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from slipway import settings
from slipway.embedded import demo, demo_follower
from slipway.errors import DemoFailedError
from slipway.progress import Line

HOLDER = """
import sys, time
from pathlib import Path
from dataclasses import replace
from slipway import settings
from slipway.embedded import demo
with demo.alone(replace(settings.read(), state=Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def deployed(tmp_path):
    return replace(settings.read(), state=tmp_path)


def follower_of(program, monkeypatch):
    """A follower of a program that stands in for the demo's process."""
    monkeypatch.setattr(demo_follower.sys, "executable", str(program))
    return demo_follower.Follower({}, False, dict(os.environ), subprocess.DEVNULL)


def test_two_events_at_once_are_both_seen(tmp_path, monkeypatch):
    program = tmp_path / "program"
    both = r'{"event": "task", "task": "a"}\n{"event": "task", "task": "b"}\n'
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\n"
        f"os.write(json.loads(sys.argv[-1])['events'], b'{both}')\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    follower = follower_of(program, monkeypatch)
    try:
        began = time.monotonic()
        seen = [follower.event(Line("x"), "") for _ in range(2)]
        assert ([event["task"] for event in seen], time.monotonic() - began < 30) == (["a", "b"], True)
    finally:
        follower.end()


def test_a_process_that_breaks_off_is_the_end_of_its_events(tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(3)\n")
    program.chmod(0o755)
    follower = follower_of(program, monkeypatch)
    assert list(follower.follow(("ingest", "train"))) == []
    follower.end()


def test_a_second_demo_of_a_state_folder_is_refused_with_the_first_ones_number(deployed):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(deployed.state)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "held\n"
        refused = pytest.raises(DemoFailedError, match=rf"another demo runs here \(pid {first.pid}\)")
        with refused, demo.alone(deployed):
            pass
        first.kill()
    with demo.alone(deployed):
        pass
