"""LeaseRepository: legs that are trained elsewhere, each leased by one trainer until a deadline.

What a race asks next depends on what was told and on what is leased now, so an ask and a tell hold
the calibration's row from their first look to their last write: they come one after the other,
also between servers. Deadlines are on the database's clock. A lease that has lapsed is still good
until its trial is leased again: then whoever held it is told that it is lost.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from advisor.ask_tell import Asking, Lease
from advisor.calibration import Calibration
from advisor.errors import LeaseLostError, NotFoundError
from advisor.evidence import Candidate, Device, Leg, LegReport, Measurement, Trial
from store.calibrations import find_calibration, to_calibration
from store.columns import DatabaseNow, now
from store.database import Database
from store.events import say_leader, say_measured
from store.legs import first_of_each, lease_leg, leg_reports, rows_of, tell_leg, told_query
from store.profile_rows import finite, to_device
from store.tables import CalibrationRow, DeviceRow, LeaseRow, LegRow, MeasurementRow, TrialRow
from store.trials import find_trial


@dataclass(frozen=True)
class HeldLease:
    """A lease with what is known of its leg."""

    lease: Lease
    leased_at: datetime
    has_lapsed: bool
    has_ended: bool
    measurements: tuple[Measurement, ...]


class LeaseRepository:
    """Calibrations whose legs run elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def held(self, tenant: str, calibration_id: str) -> Generator["Held"]:
        """The calibration, for this caller alone until the end; raises NotFoundError."""
        with self._database.write() as session:
            row = find_calibration(session, calibration_id, tenant, lock=True)
            moment = session.scalars(select(DatabaseNow())).one()
            yield Held(session, row, moment)

    def calibration_of(self, tenant: str, trial_id: str) -> str:
        """The id of the calibration that a trial belongs to; raises NotFoundError."""
        with self._database.read() as session:
            return find_trial(session, tenant, trial_id).calibration_id


class Held:
    """A calibration that nobody else changes meanwhile; what is done here is done at the end."""

    def __init__(self, session: Session, row: CalibrationRow, moment: datetime) -> None:
        self._session, self._row, self.moment = session, row, moment

    @property
    def calibration(self) -> Calibration:
        return to_calibration(self._row)

    @property
    def device(self) -> Device:
        """What its trainers measure on."""
        return to_device(self._session.get_one(DeviceRow, self._row.device_id))

    def told(self) -> list[LegReport]:
        """What is known of this task on this device, in the order told."""
        row = self._row
        query = told_query(row.tenant, str(row.task_fingerprint), str(row.device_id))
        return first_of_each(leg_reports(self._session, query))

    def open_leases(self) -> list[HeldLease]:
        """The leases that have not ended, lapsed or not."""
        wanted = select(LeaseRow).where(
            LeaseRow.calibration_id == self._row.id, LeaseRow.ended_at.is_(None)
        )
        found = self._session.scalars(wanted.order_by(LeaseRow.leased_at, LeaseRow.id))
        return [self._held(row) for row in found]

    def abandoned(self, attempts_max: int) -> list[Trial]:
        """Trials whose legs were leased so often and never told."""
        leased = {lease.lease.trial_id for lease in self.open_leases() if not lease.has_lapsed}
        rows = self._session.scalars(
            select(TrialRow).where(TrialRow.calibration_id == self._row.id)
        )
        return [
            _trial(row)
            for row in rows
            if row.id not in leased and row.attempts - row.legs_told >= attempts_max
        ]

    def lease_with(self, key: str) -> HeldLease | None:
        """What an ask with this key was given."""
        wanted = select(LeaseRow).where(
            LeaseRow.calibration_id == self._row.id, LeaseRow.ask_key == key
        )
        row = self._session.scalars(wanted).one_or_none()
        return None if row is None else self._held(row)

    def take(
        self, leg: Leg, asking: Asking, key: str | None, *, is_whole: bool, why: str = ""
    ) -> Lease:
        """Lease a leg; whoever still holds its trial has lost it."""
        if self._row.status == "queued":
            self._row.status, self._row.started_at = "running", now()
        told = lease_leg(self._session, self._row, leg, why)
        assert told is None  # a race does not ask for what it was told
        trial, leg_row = rows_of(self._session, self._row, leg)
        for lost in self._session.scalars(
            select(LeaseRow).where(LeaseRow.trial_id == trial.id, LeaseRow.ended_at.is_(None))
        ):
            lost.ended_at, lost.is_lost = self.moment, True
        row = LeaseRow(
            tenant=self._row.tenant,
            calibration_id=self._row.id,
            trial_id=trial.id,
            leg_id=leg_row.id,
            attempt=trial.attempts,
            ask_key=key,
            trainer=asking.trainer,
            is_whole=is_whole,
            lease_seconds=asking.lease_seconds,
            leased_at=self.moment,
            deadline=self.moment + timedelta(seconds=asking.lease_seconds),
        )
        self._session.add(row)
        self._session.flush()
        return self._held(row).lease

    def find(self, trial_id: str, lease_id: str) -> HeldLease:
        """A lease of this trial; raises NotFoundError, and LeaseLostError if others have it now."""
        row = self._session.get(LeaseRow, lease_id)
        if row is None or row.trial_id != trial_id or row.calibration_id != self._row.id:
            raise NotFoundError(f"no lease {lease_id!r} of the trial {trial_id!r}")
        if row.is_lost:
            raise LeaseLostError(
                f"the lease {lease_id} lapsed at {row.deadline:%H:%M:%S} UTC and its trial was "
                "leased again; ask for another leg"
            )
        return self._held(row)

    def measure(self, lease: HeldLease, points: Sequence[Measurement]) -> HeldLease:
        """Store what is new of these measurements, and say so; moves the deadline on."""
        row = self._session.get_one(LeaseRow, lease.lease.id)
        row.deadline = self.moment + timedelta(seconds=row.lease_seconds)
        trial = self._session.get_one(TrialRow, row.trial_id)
        for point in points:
            self._session.add(
                MeasurementRow(
                    leg_id=row.leg_id,
                    tenant=row.tenant,
                    examples=point.examples,
                    seconds=point.seconds,
                    value=finite(point.value),
                    train_loss=finite(point.train_loss),
                )
            )
            say_measured(self._session, self._row, trial, lease.lease.leg, point)
        self._session.flush()
        return self._held(row)

    def end(self, lease: HeldLease, report: LegReport) -> None:
        """Store what came of the leg and charge its seconds; the lease is over."""
        self._session.get_one(LeaseRow, lease.lease.id).ended_at = self.moment
        tell_leg(self._session, self._row, report)
        self._row.spent_seconds += report.wall_seconds
        self._session.flush()

    def lead(self, leader: Candidate | None, value: float | None, p_best: float | None) -> None:
        """Say who leads now, if that is another than before, or is more or less sure."""
        if leader is not None:
            say_leader(self._session, self._row, leader, value, p_best)

    def _held(self, row: LeaseRow) -> HeldLease:
        of_leg = self._session.get_one(LegRow, row.leg_id)
        trial = self._session.get_one(TrialRow, row.trial_id)
        points = self._session.scalars(
            select(MeasurementRow)
            .where(MeasurementRow.leg_id == of_leg.id)
            .order_by(MeasurementRow.examples)
        )
        leg = Leg(
            trial=_trial(trial),
            from_examples=of_leg.from_examples,
            checkpoints=tuple(of_leg.checkpoints),
        )
        return HeldLease(
            lease=Lease(
                id=row.id,
                calibration_id=row.calibration_id,
                trial_id=row.trial_id,
                leg=leg,
                attempt=row.attempt,
                trainer=row.trainer,
                is_whole=row.is_whole,
                lease_seconds=row.lease_seconds,
                deadline=row.deadline,
            ),
            leased_at=row.leased_at,
            has_lapsed=row.ended_at is None and row.deadline < self.moment,
            has_ended=row.ended_at is not None,
            measurements=tuple(
                Measurement(
                    examples=point.examples,
                    seconds=point.seconds,
                    value=point.value,
                    train_loss=point.train_loss,
                )
                for point in points
            ),
        )


def _trial(row: TrialRow) -> Trial:
    return Trial(candidate=Candidate(loss=row.loss, settings=row.settings), seed=row.seed)
