"""What a job cost, read from inside while its container still exists."""

import resource
import sys
import time
from pathlib import Path
from typing import Any

# The engine keeps no maximum on cgroup v2, and nothing at all once the container has ended.
_PEAK_FILES = (
    Path("/sys/fs/cgroup/memory.peak"),
    Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"),
)


def peak_memory_bytes() -> int:
    """The container's peak memory, or this process's where there is no container of its own."""
    if Path("/opt/slipway").is_dir():
        for path in _PEAK_FILES:
            try:
                return int(path.read_text())
            except (OSError, ValueError):
                continue
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def receipts(started: float) -> dict[str, Any]:
    """Wall seconds since `started` (a `time.monotonic()`), CPU seconds, and peak memory in bytes."""
    return {
        "seconds": round(time.monotonic() - started, 3),
        "cpu_seconds": round(time.process_time(), 3),
        "peak_memory_bytes": peak_memory_bytes(),
    }
