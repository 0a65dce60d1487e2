"""What the tries of one task instance tell each other, through Airflow's own store of task state."""

from dataclasses import asdict
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError

from slipway.ended import Ended
from slipway.image_refs import ImageRef

CONTAINER = "slipway_container"
IMAGE = "slipway_image"
RESULT = "slipway_result"
# Airflow warns of larger values; a try that finds none collects the container again, or runs the job again.
LARGEST = 60_000


class TaskMemory:
    """Kept through retries, and through a clear; outside a task there is none, and nothing is remembered."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def image(self) -> ImageRef | None:
        """The image that the first try began with."""
        told = self.get(IMAGE)
        return ImageRef(**told) if told else None

    def keep_image(self, image: ImageRef) -> None:
        self.set(IMAGE, asdict(image))

    def result(self) -> Ended | None:
        """What an older try had collected when it died."""
        told = self.get(RESULT)
        return Ended(told["exit_code"], told["outputs_text"]) if told else None

    def keep_result(self, ended: Ended) -> None:
        if ended.final and len(ended.outputs_text or "") < LARGEST:
            self.set(RESULT, {"exit_code": ended.exit_code, "outputs_text": ended.outputs_text})

    def is_current(self) -> bool:
        """Whether this is still the try that counts; Airflow tells an older one, or an orphan, nothing."""
        try:
            return self.store is None or self.get(CONTAINER) is not None
        except (AirflowRuntimeError, EOFError, OSError):
            return False

    def forget_run(self) -> None:
        """A try after this one, as after a clear, begins anew; the image stays."""
        for key in (CONTAINER, RESULT):
            if self.store is not None:
                self.store.delete(key)

    def get(self, key: str) -> Any:
        return None if self.store is None else self.store.get(key)

    def set(self, key: str, value: Any) -> None:
        if self.store is not None:
            self.store.set(key, value)
