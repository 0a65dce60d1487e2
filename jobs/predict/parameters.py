"""What predict can be told."""

from pydantic import Field

from jobs.pipeline import EndForm, ForceForm, KeyOption, StartForm, Strict


class Parameters(Strict):
    key: KeyOption = Field(default=[])
    start: StartForm = None
    end: EndForm = None
    force: ForceForm = False
