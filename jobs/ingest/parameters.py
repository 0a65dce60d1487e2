"""What ingest can be told."""

from typing import Annotated, Literal

from pydantic import Field

from jobs.pipeline import ColumnsOption, DayOption, EndForm, KeyOption, SourceOption, StartForm, Strict


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
