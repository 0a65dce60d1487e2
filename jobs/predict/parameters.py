"""What predict can be told."""

from pydantic import Field

from jobs.pipeline import EndForm, ForceForm, KeyOption, StartForm, Strict


class Parameters(Strict):
    """Parameters of the predict job."""

    key: KeyOption = Field(default=[])
    start: StartForm = None
    end: EndForm = None
    force: ForceForm = False
