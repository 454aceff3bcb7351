"""CalibrationRepository: a calibration's life, and what its legs and probes told.

The methods without a tenant are for whoever runs the calibration; the others answer a tenant,
who never sees another's rows. All writes of one calibration come one after the other.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from advisor.calibration import Calibration, CalibrationStatus, TrialRecord
from advisor.errors import NotFoundError, TooManyOpenError
from advisor.evidence import Candidate, Leg, LegReport, Measurement, StepCost
from advisor.live import NumberedEvent
from advisor.task import Task
from store.columns import new_id, now
from store.database import Database
from store.discards import without_discarded
from store.events import events_after, say_ended, say_leader, say_prepared, say_probed
from store.legs import first_of_each, lease_leg, leg_reports, measure_leg, tell_leg, told_query
from store.page import Page, checked_limit, is_behind, page_of
from store.probes import add_probe, latest_probes
from store.tables import LOCAL, CalibrationRow, OfferRow, TrialRow
from store.trials import find_trial, to_trial_record, trial_measurements, trial_query

_OPEN = ("queued", "running")


class CalibrationRepository:
    """Calibrations with their trials, legs, measurements and probes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        task: Task,
        budget_seconds: float,
        device_tag: str,
        tenant: str = LOCAL,
        n_open_max: int | None = None,
        *,
        task_fingerprint: str | None = None,
        device_id: str | None = None,
        id: str | None = None,
    ) -> Calibration:
        """A new calibration, queued; raises TooManyOpenError if `n_open_max` wait or run.

        With an `id` it is made once: the one that has it already is returned as it stands.
        It has a fingerprint and a device from its start where no data of it is read here.
        """
        row = CalibrationRow(
            id=id or new_id(),
            tenant=tenant,
            status="queued",
            task=task.model_dump(mode="json"),
            budget_seconds=budget_seconds,
            device_tag=device_tag,
            task_fingerprint=task_fingerprint,
            device_id=device_id,
        )
        try:
            with self._database.write() as session:
                known = None if id is None else session.get(CalibrationRow, id)
                if known is not None:
                    return to_calibration(known)
                if n_open_max is not None:
                    _check_open(session, tenant, n_open_max)
                session.add(row)
                session.flush()
                say_prepared(session, row)
                return to_calibration(row)
        except IntegrityError:
            if id is None:
                raise
            return self.get(tenant, id)  # someone else made it at the same moment

    def get(self, tenant: str, id: str) -> Calibration:
        """One calibration of this tenant; raises NotFoundError."""
        with self._database.read() as session:
            return to_calibration(find_calibration(session, id, tenant))

    def start(self, id: str) -> Calibration:
        """Queued becomes running; one that already runs, or has ended, stays as it is.

        What it had offered to other workers is withdrawn: who ran it before waits no longer.
        """
        with self._locked(id) as (session, row):
            if row.status == "queued":
                row.status, row.started_at = "running", now()
            _withdraw_offers(session, row)
            return to_calibration(row)

    def prepared(self, id: str, task_fingerprint: str, device_id: str) -> None:
        """The data has been read: its legs and probes belong to this task and device."""
        with self._locked(id) as (session, row):
            row.task_fingerprint, row.device_id = task_fingerprint, device_id
            say_prepared(session, row)

    def finish(
        self,
        id: str,
        status: Literal["succeeded", "failed", "cancelled"],
        recommendation_id: str | None = None,
        error: str | None = None,
    ) -> Calibration:
        """Set the final status. Only the first call does; the others change nothing."""
        with self._locked(id) as (session, row):
            if row.status in _OPEN:
                row.status, row.finished_at = status, now()
                row.recommendation_id, row.error = recommendation_id, error
                trials = update(TrialRow).where(TrialRow.calibration_id == id)
                session.execute(trials.values(status="ended"))
                _withdraw_offers(session, row)
                say_ended(session, row)
            session.flush()
            session.refresh(row)  # the text as it is stored
            return to_calibration(row)

    def request_cancel(self, tenant: str, id: str) -> Calibration:
        """Ask the runner to stop and answer with what it knows; too late if it has ended."""
        with self._locked(id, tenant) as (_, row):
            if row.status in _OPEN:
                row.cancel_requested = True
            return to_calibration(row)

    def is_cancel_requested(self, id: str) -> bool:
        """Whether someone asked this calibration to stop."""
        with self._database.read() as session:
            return find_calibration(session, id).cancel_requested

    def add_spent(self, id: str, seconds: float) -> None:
        """Charge wall-clock seconds to the budget."""
        with self._locked(id) as (_, row):
            row.spent_seconds += seconds

    def lease(self, id: str, leg: Leg, why: str = "") -> LegReport | None:
        """Count an attempt at this leg before it is trained; `why` is told to those who watch.

        Returns its report if this calibration has been told of it: then it must not be trained.
        """
        with self._locked(id) as (session, row):
            return lease_leg(session, row, leg, why)

    def measured(self, id: str, leg: Leg, point: Measurement) -> None:
        """Let those who watch know of a measurement before its leg is told."""
        with self._locked(id) as (session, row):
            measure_leg(session, row, leg, point)

    def tell(
        self,
        id: str,
        report: LegReport,
        leader: Candidate | None = None,
        leader_value: float | None = None,
        leader_p_best: float | None = None,
    ) -> None:
        """Store what came of a leg, once; a second report of it changes nothing.

        `leader` is the race's best guess after it, with its forecast and how sure it is.
        """
        with self._locked(id) as (session, row):
            tell_leg(session, row, report)
            if leader is not None:
                say_leader(session, row, leader, leader_value, leader_p_best)

    def events(self, id: str, after: int) -> tuple[list[NumberedEvent], bool]:
        """The next events behind a number, in order, and whether the calibration has ended.

        Where it has and there are none, none will come.
        """
        with self._database.read() as session:
            has_ended = find_calibration(session, id).status not in _OPEN
            return events_after(session, id, after), has_ended

    def told(self, tenant: str, task_fingerprint: str, device_id: str) -> list[LegReport]:
        """What a race of this task on this device goes on from, in the order told.

        Over all calibrations, without cancelled or discarded legs, each leg once.
        """
        with self._database.read() as session:
            key = (tenant, task_fingerprint, device_id)
            query = without_discarded(session, told_query(*key), *key)
            return first_of_each(leg_reports(session, query))

    def trials(
        self,
        tenant: str,
        calibration_id: str | None = None,
        loss: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[TrialRecord]:
        """The tenant's trials, newest first."""
        query = trial_query(tenant, calibration_id, loss, after)
        with self._database.read() as session:
            rows = session.scalars(query.limit(checked_limit(limit) + 1))
            return page_of([to_trial_record(row) for row in rows], limit)

    def trial(self, tenant: str, id: str) -> TrialRecord:
        """One trial of this tenant; raises NotFoundError."""
        with self._database.read() as session:
            return to_trial_record(find_trial(session, tenant, id))

    def measurements(self, tenant: str, trial_id: str) -> list[Measurement]:
        """A trial's curve; seconds are training seconds of the whole trial."""
        with self._database.read() as session:
            return trial_measurements(session, find_trial(session, tenant, trial_id))

    def save_probe(self, id: str, cost: StepCost) -> None:
        """Store the cost of a step."""
        with self._locked(id) as (session, row):
            add_probe(session, row, cost)
            say_probed(session, row, cost)

    def probes(self, tenant: str, task_fingerprint: str, device_id: str) -> list[StepCost]:
        """The last probe of every cost shape of this task on this device."""
        with self._database.read() as session:
            return latest_probes(session, tenant, task_fingerprint, device_id)

    def reading(self, tenant: str, path: str) -> tuple[Calibration, ...]:
        """The tenant's calibrations of a task whose data is at this path, newest first."""
        data = CalibrationRow.task["data"]
        named = (data[field].as_string() == path for field in ("path", "labels"))
        query = select(CalibrationRow).where(CalibrationRow.tenant == tenant, or_(*named))
        newest = (CalibrationRow.created_at.desc(), CalibrationRow.id.desc())
        with self._database.read() as session:
            return tuple(map(to_calibration, session.scalars(query.order_by(*newest))))

    # Last, because its name hides the built-in one from the annotations below it.
    def list(
        self,
        tenant: str | None,
        status: CalibrationStatus | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Calibration]:
        """The tenant's calibrations, newest first; everyone's for None, which no caller may say."""
        query = select(CalibrationRow)
        if tenant is not None:
            query = query.where(CalibrationRow.tenant == tenant)
        if status is not None:
            query = query.where(CalibrationRow.status == status)
        if after is not None:
            query = query.where(is_behind(CalibrationRow.created_at, CalibrationRow.id, after))
        query = query.order_by(CalibrationRow.created_at.desc(), CalibrationRow.id.desc())
        with self._database.read() as session:
            rows = session.scalars(query.limit(checked_limit(limit) + 1))
            return page_of([to_calibration(row) for row in rows], limit)

    @contextmanager
    def _locked(
        self, id: str, tenant: str | None = None
    ) -> Generator[tuple[Session, CalibrationRow]]:
        with self._database.write() as session:
            yield session, find_calibration(session, id, tenant, lock=True)


def find_calibration(
    session: Session, id: str, tenant: str | None = None, *, lock: bool = False
) -> CalibrationRow:
    """A calibration's row, held until the session ends if asked; raises NotFoundError."""
    query = select(CalibrationRow).where(CalibrationRow.id == id)
    if tenant is not None:
        query = query.where(CalibrationRow.tenant == tenant)
    if lock:
        query = query.with_for_update(key_share=True)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise NotFoundError(f"no calibration {id!r}")
    return row


def _withdraw_offers(session: Session, calibration: CalibrationRow) -> None:
    session.execute(delete(OfferRow).where(OfferRow.calibration_id == calibration.id))


def _check_open(session: Session, tenant: str, n_open_max: int) -> None:
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"calibrations of {tenant}", 0))
        session.execute(select(lock))
    is_open = (CalibrationRow.tenant == tenant, CalibrationRow.status.in_(_OPEN))
    n_open = session.scalars(select(func.count()).select_from(CalibrationRow).where(*is_open)).one()
    if n_open >= n_open_max:
        raise TooManyOpenError(
            f"{n_open} calibrations of yours wait or run, and {n_open_max} may; wait for one to "
            "end, or cancel one"
        )


def to_calibration(row: CalibrationRow) -> Calibration:
    """A row as the value that is listed."""
    apart = {"task"}
    columns = {name: getattr(row, name) for name in Calibration.model_fields.keys() - apart}
    return Calibration(**columns, task=Task.model_validate(row.task))
