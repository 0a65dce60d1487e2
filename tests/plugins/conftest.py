"""The operator with a real engine: a job image that holds the probe, and what it needs around it."""

from engine_fixtures import client, in_docker, probe_image

__all__ = ["client", "in_docker", "probe_image"]
