"""The task of the DAG `slipway.reap`."""

from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway import settings, task_states
from slipway.pipelines import Pipeline
from slipway.reaper import Round


class ReapOperator(BaseOperator):
    """One round over everything that jobs may have left; the next minute's takes the place of a retry."""

    ui_color: ClassVar[str] = "#e2e8f0"

    def __init__(self, *, pipelines: list[Pipeline], **kwargs: Any) -> None:
        super().__init__(retries=0, execution_timeout=timedelta(minutes=10), **kwargs)
        self.pipelines = pipelines

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException with all that could not be asked, after the rest was looked at."""
        states = task_states.by_task(context["ti"])
        one = Round(settings.read(), self.pipelines, states)
        one.reap(lambda line: self.log.info("%s", line))
        if one.faults:
            raise AirflowFailException("; ".join(one.faults))
