"""What train can be told."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from jobs.pipeline import (
    FORM,
    Baseline,
    BaselinesOption,
    CalendarOption,
    Candidate,
    CandidatesOption,
    DayOption,
    FeaturesOption,
    ForceForm,
    MetricOption,
    SeedOption,
    Split,
    SplitOption,
    Strict,
    TargetOption,
    TaskOption,
)


class Parameters(Strict):
    task: TaskOption
    target: TargetOption
    features: FeaturesOption
    candidates: CandidatesOption
    metric: MetricOption
    day: DayOption = None
    calendar: CalendarOption = Field(default=[])
    baselines: BaselinesOption = Field(default=[Baseline(name="mean")])
    split: SplitOption = Split()
    seed: SeedOption = 7
    only_candidates: Annotated[
        list[str] | None,
        Field(
            title="Candidates",
            description="Which of the pipeline's candidates compete. Empty: all of them.",
            json_schema_extra=FORM | {"x-choices": "candidates"},
        ),
    ] = None
    force: ForceForm = False
    data_version: Annotated[
        int | None,
        Field(
            title="Data version",
            ge=0,
            json_schema_extra=FORM,
            description="A version of the raw table. Empty: the newest.",
        ),
    ] = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.target in self.features:
            raise ValueError(f"features: the target {self.target} is among them, which leaks the answer")
        names = [entry.name for entry in self.candidates] + [entry.name for entry in self.baselines]
        if len(set(names)) < len(names):
            raise ValueError(f"candidates and baselines need distinct names, got {', '.join(names)}")
        regression = self.metric in ("mean_absolute_error", "root_mean_squared_error", "r2")
        if regression != (self.task == "regression"):
            raise ValueError(f"metric: {self.metric} does not measure a {self.task}")
        if unknown := set(self.only_candidates or []) - {entry.name for entry in self.candidates}:
            raise ValueError(f"only_candidates: the pipeline has no candidate {', '.join(sorted(unknown))}")
        if self.calendar and self.day is None:
            raise ValueError("calendar: needs a day to derive features from")
        return self

    @property
    def competing(self) -> list[Candidate]:
        """The candidates of this run."""
        return [entry for entry in self.candidates if not self.only_candidates or entry.name in self.only_candidates]
