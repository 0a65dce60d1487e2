"""What predict can be told."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from jobs.pipeline import FORM, EndForm, ForceForm, KeyOption, StartForm, Strict, in_order


class Parameters(Strict):
    key: KeyOption = Field(default=[])
    model: Annotated[
        str,
        Field(
            title="Model",
            pattern="^(champion|challenger|[1-9][0-9]{0,8})$",
            examples=["champion", "challenger"],
            description="champion, challenger, or the number of a version. Any other than the champion predicts what "
            "it has not predicted itself, and replaces what is there; each row names its version.",
            json_schema_extra=FORM,
        ),
    ] = "champion"
    start: StartForm = None
    end: EndForm = None
    force: ForceForm = False

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        in_order(self.start, self.end)
        return self
