"""Settings of builds: from the environment, else from the untracked `.env` beside the Makefile."""

import os
import re

from images.recipe import ROOT

FILE = ROOT / ".env"


def setting(name: str) -> str:
    """The value of one setting; empty where neither has it."""
    # Builds run without the package slipway, so its reader of the same file is out of reach.
    text = FILE.read_text(encoding="utf-8") if FILE.is_file() else ""
    lines = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", text, re.MULTILINE)
    found = {key: value.strip().strip("'\"") for key, value in lines}
    return os.environ.get(name) or found.get(name, "")
