"""A calibration run by the command line itself: stored like any other, shown while it runs.

The first Ctrl-C cancels it, so that it answers with what it knows; the second one aborts.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from advisor.errors import AdvisorError
from advisor.recommendation import Recommendation
from advisor.task import Task
from api.commands.output import console
from api.progress import Progress, progress
from api.stories import calibrate
from api.stories.service import LOCAL, Service


def calibrated(service: Service, task: Task, budget_seconds: float) -> Recommendation:
    """The stored answer of a calibration; raises AdvisorError with the reason if it failed."""
    started = time.monotonic()
    with progress(console(stderr=True), task, budget_seconds) as shown:
        calibration = calibrate.request(service, task, budget_seconds)
        # Reading the data is inside the budget, whoever reads it first.
        service.store.calibrations.add_spent(calibration.id, time.monotonic() - started)
        with _stoppable(shown) as stop:

            def check() -> None:
                if stop.is_new():
                    shown.say("stopping, with what is known by now; Ctrl-C once more aborts")
                    calibrate.cancel(service, calibration.id)

            try:
                ended = calibrate.run(service, calibration.id, on_event=shown.show, check=check)
            except KeyboardInterrupt:
                finish = service.store.calibrations.finish
                finish(calibration.id, "cancelled", error="aborted at the command line")
                raise
    if ended.recommendation_id is None:
        raise AdvisorError(ended.error)
    return service.store.recommendations.get(LOCAL, ended.recommendation_id)


class _Stop:
    """Whether the user asked to stop, and whether that was taken note of."""

    def __init__(self) -> None:
        self.is_asked = False
        self._is_taken = False

    def is_new(self) -> bool:
        """True once, after the user asked."""
        if not self.is_asked or self._is_taken:
            return False
        self._is_taken = True
        return True


@contextmanager
def _stoppable(shown: Progress) -> Iterator[_Stop]:
    stop = _Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_asked:
            raise KeyboardInterrupt
        stop.is_asked = True

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
