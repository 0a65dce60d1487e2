"""The task of the DAG `slipway.reap`."""

import time
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway import settings, task_states
from slipway.pipelines import Pipeline
from slipway.reaper import Round

# Cron knows no less than a minute, and what is left is to be gone within one.
ROUNDS, EVERY_SECONDS = 2, 30.0


class ReapOperator(BaseOperator):
    """Two rounds over everything that jobs may have left; the next minute's take the place of a retry."""

    ui_color: ClassVar[str] = "#e2e8f0"

    def __init__(self, *, pipelines: list[Pipeline], **kwargs: Any) -> None:
        super().__init__(retries=0, execution_timeout=timedelta(minutes=10), **kwargs)
        self.pipelines = pipelines

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException with all that could not be asked, after the rest was looked at."""
        states, pipelines = task_states.by_task(context["ti"]), self.pipelines
        began, faults = time.monotonic(), dict[str, None]()
        for number in range(ROUNDS):
            time.sleep(max(0.0, began + number * EVERY_SECONDS - time.monotonic()))
            one = Round(settings.read(), pipelines, states)
            one.reap(lambda line: self.log.info("%s", line))
            faults |= dict.fromkeys(one.faults)
        if faults:
            raise AirflowFailException("; ".join(faults))
