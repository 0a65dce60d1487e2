"""Let the champion predict what has no prediction yet."""
