"""The story of a calibration whose legs are trained elsewhere: opened, asked, told, decided.

The race is a pure function of what was told, so it is made anew for every ask from what the store
holds. The budget is of the trainers' own seconds, leg by leg: downtime costs nothing, and trainers
that work side by side share it. No data of the task comes here.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from advisor.ask_tell import Asked, Asking, Lease, Telling, Told, TrainerDevice
from advisor.calibration import Calibration, Prepared
from advisor.errors import NotElsewhereError, TaskInvalidError
from advisor.evidence import (
    Device,
    Leg,
    LegReport,
    Profile,
    StepCost,
)
from advisor.race import Race
from advisor.recommend import recommend
from advisor.search_space import candidates
from advisor.shipped import shipped_bank
from advisor.task import Task
from advisor.told_cost import told_costs
from api.stories.answer import answer_of
from api.stories.legs import ATTEMPTS_MAX
from api.stories.read import check_budget, check_words
from api.stories.recommend import known_profiles
from api.stories.service import EXTERNAL_TAG, LOCAL, Service
from api.stories.told_leg import cut, new_points, report_of
from store.leases import Held, HeldLease

_OPEN = ("queued", "running")
_RETRY_SECONDS = (1.0, 30.0)  # at least and at most, while all that is worth training is leased
_UNNAMED = TrainerDevice(name="trainers elsewhere")


def request(
    service: Service,
    task: Task,
    budget_seconds: float,
    device: TrainerDevice | None = None,
    data_fingerprint: str | None = None,
    *,
    tenant: str = LOCAL,
    id: str | None = None,
) -> Calibration:
    """A new calibration for trainers elsewhere, or the one that has this `id`.

    Raises TaskInvalidError, UnknownLossError.

    Only with the same `data_fingerprint` and `device` does it go on from what was told to an
    earlier one: without them nobody knows that its numbers may be compared with others.
    """
    check_budget(service, budget_seconds)
    check_elsewhere(task)
    check_words(task)
    recommend(task)  # raises where no loss is feasible, with the reason of each
    data = f"elsewhere {tenant} {data_fingerprint or uuid4().hex} {task.statistics}"
    measured_on = _device(tenant, device, None if device else uuid4().hex)
    service.store.evidence.save_device(measured_on)
    return service.store.calibrations.create(
        task,
        budget_seconds,
        EXTERNAL_TAG,
        tenant,
        service.n_open_max,
        task_fingerprint=task.fingerprint(data),
        device_id=measured_on.id,
        id=id,
    )


def check_elsewhere(task: Task) -> None:
    """Raise TaskInvalidError for a task whose data would come here, or that has no numbers."""
    if task.data is not None or task.statistics is None:
        raise TaskInvalidError(
            "task: trainers elsewhere keep their data; give its statistics (n_rows, n_classes, "
            "n_examples) and no data"
        )


def ask(
    service: Service,
    tenant: str,
    calibration_id: str,
    asking: Asking,
    key: str | None = None,
) -> Asked:
    """Lease the next leg; with a `key` that was used before, the same one again.

    Raises NotFoundError, NotElsewhereError.
    """
    others = _other_profiles(service, tenant, calibration_id)
    with service.store.leases.held(tenant, calibration_id) as held:
        if held.calibration.status not in _OPEN:
            return _asked(held.calibration)
        before = held.lease_with(key) if key else None
        if before is not None and not before.has_ended:
            return _asked(held.calibration, held.measure(before, ()).lease)
        standing = _Standing.of(held, others)
        leg = standing.next_leg(whole=not asking.can_pause)
        if leg is not None:
            # A key whose leg has ended asks for another one, and has named its lease already.
            new_key = None if before is not None else key
            lease = held.take(
                leg, asking, new_key, is_whole=not asking.can_pause, why=standing.race.why
            )
            return _asked(held.calibration, lease)
        running = [lease for lease in held.open_leases() if not lease.has_lapsed]
        if running:
            soonest = min(lease.lease.deadline for lease in running) - held.moment
            least, most = _RETRY_SECONDS
            wait = min(most, max(least, soonest.total_seconds() / 10))
            return _asked(held.calibration, retry_after_seconds=wait)
    return _asked(decide(service, tenant, calibration_id))


def tell(service: Service, tenant: str, trial_id: str, telling: Telling) -> Told:
    """Store what a leg measured; what was told before changes nothing.

    Raises NotFoundError, LeaseLostError, TellInvalidError.
    """
    calibration_id = service.store.leases.calibration_of(tenant, trial_id)
    others = _other_profiles(service, tenant, calibration_id)
    with service.store.leases.held(tenant, calibration_id) as held:
        lease = held.find(trial_id, telling.lease_id)
        calibration = held.calibration
        if lease.has_ended or calibration.status not in _OPEN:
            return _told(calibration, 0, lease, leg_has_ended=True)
        points = new_points(held, lease, telling)
        lease = held.measure(lease, points)
        report = report_of(held, lease, telling)
        if report is None:
            reason = _reason_to_stop(held, lease, others, is_new=bool(points))
            return _told(calibration, len(points), lease, reason=reason)
        held.end(lease, report)
        has_more = _has_more(held, others, whole=lease.lease.is_whole)
    if not has_more:
        calibration = decide(service, tenant, calibration_id)
    return _told(calibration, len(points), lease, leg_has_ended=True)


def _has_more(held: Held, others: Sequence[Profile], *, whole: bool) -> bool:
    """Say who leads after a leg; returns whether anyone trains, or would be given a leg."""
    try:
        standing = _Standing.of(held, others)
    except TaskInvalidError:  # by what was told no loss is feasible
        return False
    held.lead(*standing.race.leader(), standing.race.p_best())
    is_training = any(not lease.has_lapsed for lease in held.open_leases())
    return is_training or standing.next_leg(whole=whole) is not None


def decide(service: Service, tenant: str, calibration_id: str) -> Calibration:
    """Answer with what is known now, legs in flight as far as they were told; once."""
    try:
        return _decide(service, tenant, calibration_id)
    except TaskInvalidError as error:  # by what was told no loss is feasible
        calibrations = service.store.calibrations
        return calibrations.finish(calibration_id, "failed", error=str(error))


def _decide(service: Service, tenant: str, calibration_id: str) -> Calibration:
    others = _other_profiles(service, tenant, calibration_id)
    with service.store.leases.held(tenant, calibration_id) as held:
        if held.calibration.status not in _OPEN:
            return held.calibration
        for lease in held.open_leases():
            held.end(lease, cut(held, lease))
        standing, calibration = _Standing.of(held, others), held.calibration
        held.lead(*standing.race.leader(), standing.race.p_best())
    evidence, profile_ids = service.store.evidence, dict[str, str]()
    for profile in standing.race.profiles():
        own = profile.model_copy(update={"tenant": tenant})
        profile_ids[profile.candidate.key] = str(evidence.save_profile(own, calibration_id).id)
    prepared = standing.prepared
    answer = recommend(
        prepared.task,
        (*standing.race.profiles(), *others),
        prepared.device,
        prepared=prepared,
        costs=standing.costs,
        elapsed_seconds=calibration.spent_seconds,
        bank=shipped_bank(),
    )
    whole = answer_of(calibration, answer, profile_ids, service.price(prepared.device))
    saved = service.store.recommendations.save(whole, tenant)
    status = "cancelled" if calibration.cancel_requested else "succeeded"
    return service.store.calibrations.finish(calibration_id, status, recommendation_id=saved.id)


@dataclass(frozen=True)
class _Standing:
    """A calibration as the store has it: its race, and what is left for it."""

    prepared: Prepared
    race: Race
    costs: tuple[StepCost, ...]
    seconds_left: float

    @classmethod
    def of(
        cls, held: Held, others: Sequence[Profile], without: HeldLease | None = None
    ) -> "_Standing":
        """As it is now; `without` a lease, as if its leg had never been asked."""
        calibration, told = held.calibration, held.told()
        statistics = calibration.task.statistics
        assert statistics is not None
        prepared = Prepared(
            task=calibration.task,
            task_fingerprint=str(calibration.task_fingerprint),
            statistics=statistics,
            device=held.device,
            dataset_dir="",
        )
        space = candidates(calibration.task, statistics)
        here = [p for p in others if p.device.id == prepared.device.id]
        costs = told_costs(calibration.task, statistics, space, told, here)
        race = Race(
            prepared,
            space,
            costs,
            budget_seconds=calibration.budget_seconds,
            profiles=others,
            bank=shipped_bank(),
        )
        for report in told:
            race.tell(report)
        for trial in held.abandoned(ATTEMPTS_MAX):
            leg = Leg(trial=trial, from_examples=0, checkpoints=(1,))
            race.tell(LegReport(leg=leg, outcome="failed", examples=0))
        for lease in held.open_leases():
            if not lease.has_lapsed and (without is None or lease.lease.id != without.lease.id):
                race.lease(lease.lease.leg)
        left = calibration.budget_seconds - calibration.spent_seconds
        if calibration.cancel_requested:
            left = 0.0
        return cls(prepared, race, costs, left)

    def next_leg(self, *, whole: bool) -> Leg | None:
        """What to train next; the first legs are asked whatever a formula says they take."""
        if self.seconds_left <= 0:
            return None
        return self.race.ask(self.seconds_left if self.costs else math.inf, whole=whole)


def _device(tenant: str, device: TrainerDevice | None, only_here: str | None) -> Device:
    """The trainers' device; its id is of the tenant and of all that is said of it."""
    said = (device or _UNNAMED).model_dump()
    text = json.dumps([tenant, only_here, said], sort_keys=True)
    return Device(id=hashlib.sha256(text.encode()).hexdigest()[:16], **said)


def _other_profiles(service: Service, tenant: str, calibration_id: str) -> list[Profile]:
    """Profiles of other tasks; raises NotFoundError, and NotElsewhereError for our own workers'."""
    calibration = service.store.calibrations.get(tenant, calibration_id)
    if calibration.device_tag != EXTERNAL_TAG:
        raise NotElsewhereError
    task = calibration.task
    found = known_profiles(service, tenant, task, task.statistics, prepared=None)
    return [p for p in found if p.task_fingerprint != calibration.task_fingerprint]


def _reason_to_stop(
    held: Held, lease: HeldLease, others: Sequence[Profile], *, is_new: bool
) -> str | None:
    """Why the leg should end now, in words; None if it should go on."""
    calibration = held.calibration
    if calibration.cancel_requested:
        return "the calibration was cancelled"
    spent = lease.measurements[-1].seconds if lease.measurements else 0.0
    if calibration.spent_seconds + spent >= calibration.budget_seconds:
        return "the budget is spent"
    if lease.lease.is_whole and is_new:
        race = _Standing.of(held, others, without=lease).race
        race.tell(cut(held, lease))
        if lease.lease.leg.trial in race.dropped():
            return "it is beaten beyond its interval"
    return None


def _asked(
    calibration: Calibration, lease: Lease | None = None, retry_after_seconds: float | None = None
) -> Asked:
    return Asked(
        lease=lease,
        retry_after_seconds=retry_after_seconds,
        status=calibration.status,
        recommendation_id=calibration.recommendation_id,
    )


def _told(
    calibration: Calibration,
    n_new: int,
    lease: HeldLease,
    *,
    leg_has_ended: bool = False,
    reason: str | None = None,
) -> Told:
    return Told(
        n_new=n_new,
        leg_has_ended=leg_has_ended,
        should_stop=reason is not None,
        reason=reason,
        deadline=None if leg_has_ended else lease.lease.deadline,
        status=calibration.status,
        recommendation_id=calibration.recommendation_id,
    )
