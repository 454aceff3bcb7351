"""Run: one calibration between the loop and the store, with its clock, its stop and its answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from advisor.calibration import (
    Calibration,
    DataPrepared,
    Event,
    LegEnded,
    LegStarted,
    Prepared,
    Probed,
)
from advisor.errors import AdvisorError
from advisor.evidence import LegReport, Profile, StepCost
from api.stories.answer import answer_of
from api.stories.helping import Crew
from api.stories.legs import Legs
from api.stories.read import located
from api.stories.recommend import known_costs, known_profiles
from api.stories.service import Service
from profiler.calibrate import Calibrated, calibrate

LOOK_SECONDS = 0.5
"""How often a running calibration charges its time and looks whether it shall stop."""
OUTAGE_SECONDS_MAX = 300.0
"""A database that is away for longer ends the calibration."""

T = TypeVar("T")


class CalibrationInterruptedError(AdvisorError):
    """This process must stop running the calibration; it goes on later, or elsewhere."""


@dataclass
class _Known:
    """What the store knows of a task; the loop reads it when it has told what the task is."""

    told: list[LegReport] = field(default_factory=list)
    probed: list[StepCost] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)


class Run:
    """A calibration that runs now, in this thread."""

    def __init__(
        self,
        service: Service,
        calibration: Calibration,
        on_event: Callable[[Event], None],
        check: Callable[[], None],
        crew: Crew | None = None,
    ) -> None:
        self._service, self._calibration = service, calibration
        self._id, self._tenant = calibration.id, calibration.tenant
        self._repository = service.store.calibrations
        self._on_event, self._check = on_event, check
        self._known = _Known()
        self._shall_stop = calibration.cancel_requested
        self._started_at = self._charged_at = self._looked_at = time.monotonic()
        self._legs = Legs(service, calibration, crew, self._patiently)

    def to_the_end(self) -> Calibration:
        """Calibrate, store what was learnt and the answer; returns the calibration as it ended."""
        calibrated = self._calibrate()
        profile_ids = self._save_profiles(calibrated.profiles)
        price = self._service.price(self._service.workspace.device)
        answer = answer_of(self._calibration, calibrated.recommendation, profile_ids, price)
        repository = self._service.store.recommendations
        saved = self._patiently(lambda: repository.save(answer, self._tenant))
        self._charge()
        status = "cancelled" if self._is_cancel_requested() else "succeeded"
        return self._patiently(
            lambda: self._repository.finish(self._id, status, recommendation_id=saved.id)
        )

    def _calibrate(self) -> Calibrated:
        with located(self._service, self._calibration.task, self._tenant) as here:
            return calibrate(
                here.task,
                self._calibration.budget_seconds,
                workspace=here.workspace,
                on_event=self._keep,
                run_leg=self._legs.train,
                n_at_once=self._legs.n_at_once,
                told=self._known.told,
                probed=self._known.probed,
                profiles=self._known.profiles,
                spent_seconds=self._calibration.spent_seconds + time.monotonic() - self._started_at,
                should_stop=self._should_stop,
            )

    def _recall(self, prepared: Prepared) -> None:
        """Say what is calibrated, and hand the loop what the store knows of it."""
        device, fingerprint = prepared.device, prepared.task_fingerprint
        key = (self._tenant, fingerprint, device.id)
        self._patiently(lambda: self._service.store.evidence.save_device(device))
        self._patiently(lambda: self._repository.prepared(self._id, fingerprint, device.id))
        self._known.told += self._patiently(lambda: self._repository.told(*key))
        self._known.probed += self._patiently(
            lambda: known_costs(self._service, self._tenant, prepared)
        )
        self._known.profiles += self._patiently(lambda: self._other_profiles(prepared))

    def _other_profiles(self, prepared: Prepared) -> list[Profile]:
        """Without those of this very task and device, which come with the legs told, unless what
        full training gave was told of them."""
        found = known_profiles(
            self._service, self._tenant, prepared.task, prepared.statistics, prepared=prepared
        )
        here = (prepared.task_fingerprint, prepared.device.id)
        return [
            p for p in found if p.source == "outcome" or (p.task_fingerprint, p.device.id) != here
        ]

    def _keep(self, event: Event) -> None:
        """Store what an event says, then pass it on."""
        if isinstance(event, DataPrepared):
            self._recall(event.prepared)
        elif isinstance(event, Probed):
            self._patiently(lambda: self._repository.save_probe(self._id, event.cost))
        elif isinstance(event, LegStarted):
            self._legs.begin(event.leg, event.why)
        elif isinstance(event, LegEnded):
            told = (event.report, event.leader, event.leader_value, event.leader_p_best)
            self._patiently(lambda: self._repository.tell(self._id, *told))
            self._charge()
        self._on_event(event)

    def _should_stop(self) -> bool:
        self._check()
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._charge()
            self._shall_stop = self._is_cancel_requested()
            self._looked_at = time.monotonic()
        return self._shall_stop

    def _is_cancel_requested(self) -> bool:
        return self._patiently(lambda: self._repository.is_cancel_requested(self._id))

    def _charge(self) -> None:
        now = time.monotonic()
        self._patiently(lambda: self._repository.add_spent(self._id, now - self._charged_at))
        self._charged_at = now

    def _save_profiles(self, profiles: Sequence[Profile]) -> dict[str, str]:
        """Returns the profiles' ids by candidate."""
        evidence, ids = self._service.store.evidence, dict[str, str]()
        for profile in profiles:
            own = profile.model_copy(update={"tenant": self._tenant})
            saved = self._patiently(lambda own=own: evidence.save_profile(own, self._id))
            ids[profile.candidate.key] = str(saved.id)
        return ids

    def _patiently(self, operation: Callable[[], T]) -> T:
        """Do it, again and again while the database is away; each of them may be done twice."""
        deadline = time.monotonic() + OUTAGE_SECONDS_MAX
        while True:
            self._check()
            try:
                return operation()
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)
