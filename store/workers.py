"""WorkerRepository: who is alive, by the one clock that all workers share, the database's."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from advisor.value import Value
from store.columns import DatabaseNow
from store.database import Database, insert_or_update
from store.tables import LOCAL, CalibrationRow, LegRow, OfferRow, TrialRow, WorkerRow


class Worker(Value):
    """A process that trains legs on a device; `current` is the calibration that it runs."""

    id: str
    device: str | None
    tag: str
    current: str | None
    started_at: AwareDatetime
    seen_at: AwareDatetime


class CurrentLeg(Value):
    """The leg that a worker trains now."""

    trial_id: str
    loss: str
    from_examples: int
    until_examples: int
    leased_at: AwareDatetime


class WorkerState(Value):
    """A worker as a tenant may see it: what it does for others is only that it is busy."""

    id: str
    tag: str
    device: str | None = Field(description="id of the device it trains on")
    device_slot: str | None
    started_at: AwareDatetime
    seen_at: AwareDatetime
    silent_seconds: float = Field(description="since its last heartbeat")
    is_busy: bool
    calibration_id: str | None = Field(
        description="what it runs, or trains legs of, if that is of this tenant"
    )
    leg: CurrentLeg | None = None


class WorkerRepository:
    """Heartbeats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(
        self,
        worker_id: str,
        device: str | None,
        tag: str,
        current: str | None = None,
        device_slot: str | None = None,
        crew: str | None = None,
    ) -> None:
        """Say that this worker is alive, which calibration it runs, and whom it may help."""
        values = {
            "id": worker_id,
            "tenant": LOCAL,
            "device": device,
            "tag": tag,
            "current": current,
            "device_slot": device_slot,
            "crew": crew,
            "started_at": DatabaseNow(),
            "seen_at": DatabaseNow(),
        }
        changed = ("device", "tag", "current", "device_slot", "crew", "seen_at")
        with self._database.write() as session:
            insert_or_update(session, WorkerRow, values, ("id",), changed)

    def dead(self, after_seconds: float) -> list[str]:
        """The workers whose last beat is longer ago than this."""
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            lost = WorkerRow.seen_at < moment - timedelta(seconds=after_seconds)
            return list(session.scalars(select(WorkerRow.id).where(lost).order_by(WorkerRow.id)))

    def n_idle(self, crew: str, calibration_id: str, but: str, dead_after_seconds: float) -> int:
        """How many workers of a crew, but for one, live and could train legs of a calibration.

        They run none themselves, and train for no other.
        """
        elsewhere = select(OfferRow.worker).where(
            OfferRow.worker.is_not(None), OfferRow.calibration_id != calibration_id
        )
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            idle = select(func.count()).where(
                WorkerRow.crew == crew,
                WorkerRow.id != but,
                WorkerRow.seen_at >= moment - timedelta(seconds=dead_after_seconds),
                WorkerRow.current.is_(None),
                WorkerRow.id.not_in(elsewhere),
            )
            return session.scalars(idle).one()

    def forget(self, worker_id: str) -> None:
        """Remove a worker; harmless if it is not there."""
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def states(self, tenant: str) -> tuple[WorkerState, ...]:
        """All workers by id, with what each does for this tenant."""
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id)).all()
            taken = select(OfferRow).where(OfferRow.worker.is_not(None))
            helped = {offer.worker: offer for offer in session.scalars(taken)}
            current = {
                row.id: helped[row.id].calibration_id if row.id in helped else row.current
                for row in rows
            }
            own = select(CalibrationRow.id).where(
                CalibrationRow.tenant == tenant, CalibrationRow.id.in_({*current.values()})
            )
            seen = {*session.scalars(own)}
            legs = {
                id_: _leg(session, calibration_id, helped.get(id_))
                for id_, calibration_id in current.items()
                if calibration_id in seen
            }
        return tuple(
            WorkerState(
                id=row.id,
                tag=row.tag,
                device=row.device,
                device_slot=row.device_slot,
                started_at=row.started_at,
                seen_at=row.seen_at,
                silent_seconds=max(0.0, (moment - row.seen_at).total_seconds()),
                is_busy=current[row.id] is not None,
                calibration_id=current[row.id] if row.id in legs else None,
                leg=legs.get(row.id),
            )
            for row in rows
        )

    # Last, because its name hides the built-in one from the annotations below it.
    def list(self) -> list[Worker]:
        """All workers by id, dead or alive."""
        with self._database.read() as session:
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id))
            return [
                Worker.model_validate({name: getattr(row, name) for name in Worker.model_fields})
                for row in rows
            ]


def _leg(session: Session, calibration_id: str, taken: OfferRow | None) -> CurrentLeg | None:
    """The leg that was taken, else the one leased last of those that no other worker trains."""
    query = (
        select(LegRow, TrialRow)
        .join(TrialRow, TrialRow.id == LegRow.trial_id)
        .where(TrialRow.calibration_id == calibration_id, LegRow.status == "leased")
        .order_by(LegRow.leased_at.desc())
    )
    if taken is not None:
        query = query.where(LegRow.id == taken.leg_id)
    else:
        others = select(OfferRow.leg_id).where(OfferRow.leg_id.is_not(None))
        query = query.where(LegRow.id.not_in(others))
    found = session.execute(query.limit(1)).first()
    if found is None:
        return None
    leg, trial = found
    return CurrentLeg(
        trial_id=trial.id,
        loss=trial.loss,
        from_examples=leg.from_examples,
        until_examples=leg.until_examples,
        leased_at=leg.leased_at,
    )
