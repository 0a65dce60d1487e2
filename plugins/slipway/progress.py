"""What a person sees while something takes its time."""

import sys
import time

QUIET_SECONDS = 30.0


def say(text: str, end: str = "\n") -> None:
    """Show it now, also where standard output is a file or a pipe."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


class Line:
    """One line of progress: counts in place on a terminal; elsewhere it speaks up now and then, and at its end."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.shown = time.monotonic()
        self.terminal = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def running(self, what: str = "") -> None:
        """Show that it still runs; may be called as often as one likes."""
        text = " ".join(filter(None, (self.title, "…", what, f"{self.seconds:.0f} s")))
        if self.terminal:
            say(f"\r\033[K{text}", end="")
        elif time.monotonic() - self.shown > QUIET_SECONDS:
            self.shown = time.monotonic()
            say(text)

    def done(self, what: str) -> None:
        """Leave the line as it ended."""
        say(f"{self.cleared()}{self.title} … {what}")

    def broken_off(self) -> None:
        """Make room for an error."""
        say(self.cleared(), end="")

    def cleared(self) -> str:
        return "\r\033[K" if self.terminal else ""
