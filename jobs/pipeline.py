"""The words of a pipeline's YAML: one definition for each, shared by every job that takes it."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ColumnType = Literal["string", "integer", "number", "boolean", "date", "timestamp"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]


class Strict(BaseModel):
    """A mapping in which an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Column(Strict):
    """A column of the raw table."""

    type: ColumnType = Field(description="Timestamps are UTC.")
    minimum: int | float | None = Field(default=None, description="Smallest value allowed.")
    maximum: int | float | None = Field(default=None, description="Largest value allowed.")
    nullable: bool = Field(default=False, description="Whether an empty field is allowed.")
    header: str | None = Field(default=None, alias="from", description="The header in the file, where it differs.")


def _spell_out(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class BikeDemand(Strict):
    """Generated hourly demand: made up, not measured."""

    builtin: Literal["bike_demand"]
    start: date = Field(description="First day.")
    end: date = Field(description="Last day.")
    drift: float = Field(default=0.0, ge=0, le=10, description="How fast weather and habits move away, per year.")
    defects: float = Field(default=0.0, ge=0, le=1, description="Fraction of rows that are broken on purpose.")
    seed: int = Field(default=7, ge=0, description="The same seed gives the same rows.")


class BreastCancer(Strict):
    """The Wisconsin diagnostic table that scikit-learn ships: 569 rows, no day."""

    builtin: Literal["breast_cancer"]


class Files(Strict):
    """CSV files (also .gz) in landing."""

    files: str = Field(description="A glob relative to <LAKE_URI>/landing.", min_length=1)


class Candidate(Strict):
    """An estimator that competes."""

    name: Name
    estimator: str = Field(pattern=r"^sklearn(\.[A-Za-z_][A-Za-z0-9_]*)+$", description="A class under sklearn.")
    params: dict[str, Any] = Field(default={}, description="Its keyword arguments.")


class Baseline(Strict):
    """What a candidate has to beat: the mean, or the most frequent class, of the training part."""

    name: Name
    mean_by: list[str] = Field(default=[], description="Per group of these columns, else over everything.")


class Split(Strict):
    """How the held-out part is chosen: the last days, or a stratified draw where there is no day."""

    test_fraction: float = Field(default=0.2, gt=0, lt=1, description="Fraction of days, or of rows, that is held out.")


class PromotionPolicy(Strict):
    """When a challenger replaces the champion."""

    min_improvement: float = Field(default=0.0, ge=0, lt=1, description="Relative improvement over the champion.")
    beat_baseline: bool = Field(default=True, description="Whether the best baseline must be beaten, too.")


SourceOption = Annotated[
    BikeDemand | BreastCancer | Files, Field(title="Source", description="Where ingest takes rows from.")
]
ColumnsOption = Annotated[
    dict[Name, Annotated[Column, BeforeValidator(_spell_out, json_schema_input_type=ColumnType | Column)]],
    Field(
        title="Columns", description="The raw table's columns: a type, or a mapping with type and rules.", min_length=1
    ),
]
DayOption = Annotated[
    str | None, Field(title="Day", description="The date or timestamp column that says which day a row belongs to.")
]
KeyOption = Annotated[list[str], Field(title="Key", description="Columns that together name a row.")]
TaskOption = Annotated[
    Literal["regression", "classification"], Field(title="Task", description="What kind of target is learnt.")
]
TargetOption = Annotated[str, Field(title="Target", description="The column to predict.")]
FeaturesOption = Annotated[list[str], Field(title="Features", description="Columns a model may look at.", min_length=1)]
CalendarOption = Annotated[
    list[Literal["year", "month", "weekday", "day_of_year"]],
    Field(title="Calendar", description="Features derived from the day."),
]
CandidatesOption = Annotated[
    list[Candidate], Field(title="Candidates", description="Estimators that compete.", min_length=1)
]
BaselinesOption = Annotated[
    list[Baseline], Field(title="Baselines", description="What a candidate must beat.", min_length=1)
]
MetricOption = Annotated[
    Literal["mean_absolute_error", "root_mean_squared_error", "r2", "accuracy", "f1", "roc_auc", "log_loss"],
    Field(title="Metric", description="The figure that decides; whether lower is better is known for each."),
]
SplitOption = Annotated[Split, Field(title="Split", description="How the held-out part is chosen.")]
PromotionOption = Annotated[
    PromotionPolicy, Field(title="Promotion", description="When a challenger replaces the champion.")
]
SeedOption = Annotated[int, Field(title="Seed", ge=0, description="Makes every draw repeatable.")]

FORM: dict[str, Any] = {"x-form": True}
StartForm = Annotated[
    date | None,
    Field(
        title="First day",
        description="Only days from this one on. Empty: what the pipeline's window says (ingest), "
        "or the day after the model's training window (predict).",
        json_schema_extra=FORM,
    ),
]
EndForm = Annotated[
    date | None,
    Field(
        title="Last day",
        description="Only days up to and with this one. Empty: the last there is.",
        json_schema_extra=FORM,
    ),
]
ForceForm = Annotated[
    bool,
    Field(
        title="Force",
        description="Do the work even where nothing changed, and it would be skipped.",
        json_schema_extra=FORM,
    ),
]


def in_order(start: date | None, end: date | None) -> None:
    """Raises ValueError where the window ends before it starts."""
    if start and end and end < start:
        raise ValueError(f"start: {start} lies after end, {end}")
