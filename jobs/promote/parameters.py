"""What promote can be told."""

from typing import Annotated, Literal

from pydantic import Field

from jobs.pipeline import FORM, MetricOption, PromotionOption, PromotionPolicy, Strict

_SHOWN = {"better": "if it is better", "always": "always, even if it is worse", "never": "never, only train"}


class Parameters(Strict):
    metric: MetricOption
    promotion: PromotionOption = PromotionPolicy()
    promote_when: Annotated[
        Literal["better", "always", "never"],
        Field(
            title="Promote",
            description="Whether the challenger becomes champion. What is better, the pipeline's YAML says; "
            "the ledger keeps that it was forced.",
            json_schema_extra=FORM | {"values_display": _SHOWN},
        ),
    ] = "better"
