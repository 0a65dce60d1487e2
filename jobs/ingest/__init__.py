"""Bring a source into the lake's raw table."""
