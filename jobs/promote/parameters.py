"""What promote can be told."""

from jobs.pipeline import MetricOption, PromotionOption, PromotionPolicy, Strict


class Parameters(Strict):
    """Parameters of the promote job."""

    metric: MetricOption
    promotion: PromotionOption = PromotionPolicy()
