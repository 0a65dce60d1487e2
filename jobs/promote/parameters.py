"""What promote can be told."""

from jobs.pipeline import MetricOption, PromotionOption, PromotionPolicy, Strict


class Parameters(Strict):
    metric: MetricOption
    promotion: PromotionOption = PromotionPolicy()
