"""What every container of Slipway is held to, whatever it does."""

from typing import Any

from docker.types import LogConfig

JOB_USER = 10001


def hardened(memory_bytes: int, tmp_bytes: int = 256 * 2**20) -> dict[str, Any]:
    """Arguments of `create_host_config`: no capability, nothing to write but `/tmp`, bounded memory, log and processes.

    What is in `/tmp` counts as memory, up to `tmp_bytes`.
    """
    return {
        "mem_limit": memory_bytes,
        "pids_limit": 512,
        # As process 1 a program would neither end on SIGTERM nor collect its children.
        "init": True,
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,size={tmp_bytes}"},  # noqa: S108 - a mount inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        # The engine's own default keeps everything that was ever printed.
        "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "100m", "max-file": "2"}),
    }
