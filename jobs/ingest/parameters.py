"""What ingest can be told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.pipeline import (
    ColumnsOption,
    DayOption,
    EndForm,
    ForceForm,
    KeyOption,
    SourceOption,
    StartForm,
    Strict,
    in_order,
)


class Parameters(Strict):
    source: SourceOption
    columns: ColumnsOption
    day: DayOption = None
    key: KeyOption = Field(default=[])
    window: Annotated[
        Literal["all", "interval"],
        Field(title="Window", description="All of the source, or only the days of the run's data interval."),
    ] = "all"
    max_bad_rows_fraction: Annotated[
        float,
        Field(title="Bad rows", ge=0, le=1, description="More refused rows than this fraction stop the job."),
    ] = 0.1
    start: StartForm = None
    end: EndForm = None
    force: ForceForm = False

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        in_order(self.start, self.end)
        return self
