"""What a run of a job cost: seconds by phase, CPU, peak memory; and what that says about its limits."""

from dataclasses import dataclass, field
from typing import Any

import docker

from slipway.container import Container, moment
from slipway.contracts import Limits
from slipway.ended import size
from slipway.job_log import BROKEN

# A limit that is this many times the peak is worth a word.
GENEROUS = 4


@dataclass
class Meter:
    """Samples a container from outside, for images that don't report about themselves."""

    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0

    def sample(self, client: docker.APIClient, container: str) -> None:
        """One look; an engine that does not answer just now is asked again later."""
        try:
            seen: dict[str, Any] = client.stats(container, stream=False, one_shot=True, decode=None)  # type: ignore[assignment]
        except BROKEN:
            return
        memory, cpu = seen.get("memory_stats") or {}, (seen.get("cpu_stats") or {}).get("cpu_usage") or {}
        # Only the first version of cgroups keeps a maximum; of the second the largest sample is the best there is.
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory.get("max_usage") or memory.get("usage") or 0)
        self.cpu_seconds = max(self.cpu_seconds, cpu.get("total_usage", 0) / 1e9)


@dataclass
class Receipt:
    """Seconds from one moment to the next, and what the job took meanwhile; unknown figures are absent."""

    figures: dict[str, float] = field(default_factory=dict)

    def add(self, outputs: dict[str, Any] | None, container: Container, state: dict[str, Any], meter: Meter) -> None:
        """The job's own figures where it left some, else those that were sampled."""
        begun, finished = moment(state["StartedAt"]), moment(state["FinishedAt"])
        if finished > begun:
            self.figures["run_seconds"] = (finished - begun).total_seconds()
        own = (outputs or {}).get("receipts") or {}
        peak = own.get("peak_memory_bytes") or meter.peak_memory_bytes
        cpu = own.get("cpu_seconds") or meter.cpu_seconds
        self.figures |= {"peak_memory_bytes": peak} if peak else {}
        self.figures |= {"cpu_seconds": cpu} if cpu else {}

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in self.figures.items()}

    def line(self, job: str, limits: Limits) -> str:
        """One line for the task's log."""
        known = self.figures
        words = [
            f"{name} {known[f'{name}_seconds']:.1f} s"
            for name in ("start", "run", "collect", "cpu")
            if f"{name}_seconds" in known
        ]
        peak = known.get("peak_memory_bytes", 0)
        if peak:
            words.append(f"peak memory {size(peak)} of {size(limits.memory_bytes)}")
        return f"receipt of {job}: {', '.join(words)}" + self.advice(job, peak, limits)

    @staticmethod
    def advice(job: str, peak: float, limits: Limits) -> str:
        """What to change in the YAML, where the limit and the need are far apart, or too close."""
        if not peak:
            return ""
        if peak > 0.9 * limits.memory_bytes:
            return f"; close to its limit: raise limits.{job}.memory"
        if limits.memory_bytes > max(GENEROUS * peak, 2**30):
            return f"; limits.{job}.memory: {max(256, round(2 * peak / 2**20 / 128) * 128)}m would do"
        return ""
