"""The story of a leg that an idle worker trains for another one: taken, trained, told.

`legs` is the other side of it. Whoever runs the calibration may end the offer at any time; then
whoever trains the leg has lost it, and of what it measured nothing is told.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError

from advisor.evidence import LegReport, Measurement
from api.stories.service import Service
from profiler.leg_in_child import run_leg_in_child
from store.offers import Offer

LOOK_SECONDS = 0.5
"""How often who trains a leg looks whether it is still wanted."""
_TELL_SECONDS = 1.0
_AWAY = (OperationalError, InterfaceError)  # the database


@dataclass(frozen=True)
class Crew:
    """This worker among those that may train each other's legs.

    They have one tag, equal devices and one data folder, where a trial's state is handed on; the
    crew's `name` says which. One that is silent for `silent_seconds` is taken as dead.
    """

    name: str
    worker_id: str
    silent_seconds: float


def help_once(service: Service, crew: Crew, is_needed: Callable[[], bool]) -> bool:
    """Train one leg that is offered, if there is one; returns whether there was.

    When `is_needed` turns true this worker has something else to do, and the leg is given back.
    """
    offer = service.store.offers.take(crew.worker_id, crew.name)
    if offer is not None:
        _Helping(service, crew.worker_id, offer, is_needed).to_the_end()
    return offer is not None


class _Helping:
    """A leg of another worker that is trained now, in this thread."""

    def __init__(
        self, service: Service, worker_id: str, offer: Offer, is_needed: Callable[[], bool]
    ) -> None:
        self._workspace, self._offers = service.workspace, service.store.offers
        self._worker_id, self._offer, self._is_needed = worker_id, offer, is_needed
        self._looked_at, self._is_lost = time.monotonic(), False

    def to_the_end(self) -> None:
        offer = self._offer
        deadline = time.monotonic() + offer.seconds_left
        report = run_leg_in_child(
            offer.prepared, offer.leg, self._workspace, deadline, self._should_stop, self._say
        )
        if self._is_needed():  # who stops this process may have ended the child that failed
            report = LegReport(
                leg=offer.leg,
                outcome="cancelled",
                examples=offer.leg.from_examples,
                detail="its worker had something else to do",
            )
        self._tell(report)

    def _should_stop(self) -> bool:
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            with suppress(*_AWAY):  # the leg goes on meanwhile
                self._is_lost = not self._offers.is_had(self._offer.id, self._worker_id)
            self._looked_at = time.monotonic()
        return self._is_lost or self._is_needed()

    def _say(self, point: Measurement) -> None:
        with suppress(*_AWAY):  # what is not said now is said when the leg is told
            self._offers.measured(self._offer, self._worker_id, point)

    def _tell(self, report: LegReport) -> None:
        """Tell it, once; where the database is away for long the offer is ended meanwhile."""
        while not self._is_lost:
            with suppress(*_AWAY):
                self._offers.tell(self._offer, self._worker_id, report)
                return
            if self._is_needed():
                return
            time.sleep(_TELL_SECONDS)
