"""What every container of Slipway is held to, whatever it does."""

from collections.abc import Collection
from typing import Any

from docker.types import LogConfig, Ulimit

JOB_USER = 10001
OPEN_FILES = 16384
# By the names that a job.yaml gives them under `unhardened`; `user` is not the host's to set.
MEASURES: dict[str, dict[str, Any]] = {
    "capabilities": {"cap_drop": ["ALL"]},
    "no_new_privileges": {"security_opt": ["no-new-privileges"]},
    "read_only": {"read_only": True},
    # As process 1 a program would neither end on SIGTERM nor collect its children.
    "init": {"init": True},
}


def hardened(memory_bytes: int, tmp_bytes: int = 256 * 2**20, without: Collection[str] = ()) -> dict[str, Any]:
    """Arguments of `create_host_config`: no capability, nothing to write but `/tmp`, bounded memory, log and processes.

    What is in `/tmp` counts as memory, up to `tmp_bytes`. `without` names the measures that a job can't bear; its
    limits hold all the same.
    """
    return {
        "mem_limit": memory_bytes,
        # As much again in swap is what the engine gives where it is not told.
        "memswap_limit": memory_bytes,
        "pids_limit": 512,
        # The engine may have no limit of its own, and programs close all files that they could have.
        "ulimits": [Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES)],
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={tmp_bytes}"},  # noqa: S108 - a mount inside the container
        # The engine's own default keeps everything that was ever printed.
        "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "100m", "max-file": "2"}),
        **{name: value for measure in MEASURES if measure not in without for name, value in MEASURES[measure].items()},
    }
