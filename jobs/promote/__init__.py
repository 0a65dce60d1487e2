"""Move the champion alias when the challenger has earned it."""
