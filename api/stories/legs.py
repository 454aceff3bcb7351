"""Legs: those of a calibration that runs here, trained on this worker's device or by idle others.

This worker alone asks the race and decides. While its own device is busy it offers further legs,
if there are idle workers of its crew, and waits for what they tell. It takes back what nobody took
by the time its device is free, and waits no longer for who is silent or late.
"""

import math
import time
from collections.abc import Callable
from threading import Lock
from typing import Literal, Protocol, TypeVar

from advisor.calibration import Calibration, Prepared
from advisor.evidence import Candidate, Leg, LegReport, Measurement, Outcome, Trial
from api.stories.helping import Crew
from api.stories.service import Service
from profiler.leg_in_child import run_leg_in_child
from profiler.messages import GRACE_SECONDS
from profiler.workspace import Workspace
from store.offers import Standing

ATTEMPTS_MAX = 5
"""When so many workers died while they trained a leg, its trial is left alone."""
COUNT_SECONDS = 0.5
"""How often the idle workers are counted."""
POLL_SECONDS = 0.05
"""How often a leg that was offered is looked at."""
_LATE_SECONDS = GRACE_SECONDS + 0.5  # over its deadline; it is killed before

T = TypeVar("T")


class Patiently(Protocol):
    """Does something in the store, again and again while the database is away."""

    def __call__(self, operation: Callable[[], T], /) -> T: ...


class Legs:
    """The legs of a calibration that runs now; each is trained in a thread of its own.

    Without a `crew` this worker trains alone.
    """

    def __init__(
        self, service: Service, calibration: Calibration, crew: Crew | None, patiently: Patiently
    ) -> None:
        self._id, self._tenant, self._crew = calibration.id, calibration.tenant, crew
        self._calibrations, self._offers = service.store.calibrations, service.store.offers
        self._workers, self._patiently = service.store.workers, patiently
        self._device = Lock()  # this worker's; held while it trains a leg
        self._why: dict[str, str] = {}
        self._leased: dict[str, LegReport | None] = {}  # with what was told of it before
        self._n_idle, self._counted_at = 0, -math.inf
        self._left_alone = patiently(self._killers)

    def n_at_once(self) -> int:
        """How many legs may be trained now: one here, and one by every idle worker."""
        crew = self._crew
        if crew is not None and time.monotonic() - self._counted_at >= COUNT_SECONDS:
            who = (crew.name, self._id, crew.worker_id, crew.silent_seconds)
            self._n_idle = self._patiently(lambda: self._workers.n_idle(*who))
            self._counted_at = time.monotonic()
        return 1 + self._n_idle

    def begin(self, leg: Leg, why: str) -> None:
        """A leg was asked: lease it if the device is free, else `train` will offer it."""
        self._why[leg.id] = why
        if self._device.acquire(blocking=False):
            self._lease(leg)

    def train(
        self,
        prepared: Prepared,
        leg: Leg,
        workspace: Workspace,
        deadline: float,
        should_stop: Callable[[], bool],
    ) -> LegReport | None:
        """Have a leg trained; None where nothing came of it and it may be asked again."""
        if leg.id not in self._leased:
            report = self._by_another(prepared, leg, deadline, should_stop)
            if report != "here":
                return report
            self._lease(leg)
        try:
            return self._here(prepared, leg, workspace, deadline, should_stop)
        finally:
            del self._leased[leg.id]
            self._device.release()

    def _lease(self, leg: Leg) -> None:
        """Lease a leg to this worker, whose device is held; it may have been told already."""
        why = self._why.pop(leg.id)
        self._leased[leg.id] = self._patiently(lambda: self._calibrations.lease(self._id, leg, why))

    def _here(
        self,
        prepared: Prepared,
        leg: Leg,
        workspace: Workspace,
        deadline: float,
        should_stop: Callable[[], bool],
    ) -> LegReport:
        told = self._leased[leg.id]
        if told is not None:
            return told
        if leg.trial in self._left_alone:
            return _left_alone(leg)

        def say(point: Measurement) -> None:
            self._patiently(lambda: self._calibrations.measured(self._id, leg, point))

        return run_leg_in_child(prepared, leg, workspace, deadline, should_stop, say)

    def _by_another(
        self, prepared: Prepared, leg: Leg, deadline: float, should_stop: Callable[[], bool]
    ) -> LegReport | Literal["here"] | None:
        """What came of a leg offered; "here" where nobody took it and the device is free again."""
        if leg.trial in self._left_alone:
            return _left_alone(leg)
        offer_id = self._patiently(lambda: self._offer(prepared, leg, deadline))
        stands = "open"
        while stands in ("open", "taken"):
            stands = self._patiently(lambda: self._standing(offer_id))
            if stands == "open" and self._device.acquire(blocking=False):
                if self._patiently(lambda: self._offers.take_back(self._id, offer_id)):
                    return "here"
                self._device.release()
            if should_stop() or time.monotonic() > deadline + _LATE_SECONDS:
                break
            time.sleep(POLL_SECONDS)
        was_taken = self._patiently(lambda: self._offers.withdraw(self._id, offer_id))
        report = self._patiently(lambda: self._offers.told(self._id, leg))
        if report is None and was_taken and stands != "silent":
            return _unended(leg, "cancelled", "it was not told in time, and is not waited for")
        if report is None:
            self._left_alone = self._patiently(self._killers)
        return report

    def _offer(self, prepared: Prepared, leg: Leg, deadline: float) -> str:
        assert self._crew is not None  # alone, it has no second leg at once
        seconds_left, why = deadline - time.monotonic(), self._why[leg.id]
        return self._offers.make(self._id, self._crew.name, prepared, leg, seconds_left, why)

    def _standing(self, offer_id: str) -> Standing:
        assert self._crew is not None
        return self._offers.standing(offer_id, self._crew.silent_seconds)

    def _killers(self) -> list[Trial]:
        """The trials with a leg that was begun too often and never told."""
        page = self._calibrations.trials(self._tenant, self._id, limit=1000)
        return [
            Trial(candidate=Candidate(loss=trial.loss, settings=trial.settings), seed=trial.seed)
            for trial in page.items
            if trial.attempts - trial.legs_told >= ATTEMPTS_MAX
        ]


def _left_alone(leg: Leg) -> LegReport:
    return _unended(leg, "failed", f"{ATTEMPTS_MAX} workers died while they trained it")


def _unended(leg: Leg, outcome: Outcome, detail: str) -> LegReport:
    return LegReport(leg=leg, outcome=outcome, examples=leg.from_examples, detail=detail)
