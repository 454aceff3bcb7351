"""WorkerRepository: who is alive, by the one clock that all workers share, the database's."""

from datetime import timedelta

from pydantic import AwareDatetime, Field
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from advisor.value import Value
from store.columns import DatabaseNow
from store.database import Database, insert_or_update
from store.tables import LOCAL, CalibrationRow, LegRow, TrialRow, WorkerRow


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
    calibration_id: str | None = Field(description="what it runs, if that is of this tenant")
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
    ) -> None:
        """Say that this worker is alive, and which calibration it runs."""
        values = {
            "id": worker_id,
            "tenant": LOCAL,
            "device": device,
            "tag": tag,
            "current": current,
            "device_slot": device_slot,
            "started_at": DatabaseNow(),
            "seen_at": DatabaseNow(),
        }
        changed = ("device", "tag", "current", "device_slot", "seen_at")
        with self._database.write() as session:
            insert_or_update(session, WorkerRow, values, ("id",), changed)

    def dead(self, after_seconds: float) -> list[str]:
        """The workers whose last beat is longer ago than this."""
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            lost = WorkerRow.seen_at < moment - timedelta(seconds=after_seconds)
            return list(session.scalars(select(WorkerRow.id).where(lost).order_by(WorkerRow.id)))

    def forget(self, worker_id: str) -> None:
        """Remove a worker; harmless if it is not there."""
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def states(self, tenant: str) -> tuple[WorkerState, ...]:
        """All workers by id, with what each does for this tenant."""
        with self._database.read() as session:
            moment = session.scalars(select(DatabaseNow())).one()
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id)).all()
            own = select(CalibrationRow.id).where(
                CalibrationRow.tenant == tenant,
                CalibrationRow.id.in_([row.current for row in rows if row.current]),
            )
            legs = {id_: _current_leg(session, id_) for id_ in session.scalars(own)}
        return tuple(
            WorkerState(
                id=row.id,
                tag=row.tag,
                device=row.device,
                device_slot=row.device_slot,
                started_at=row.started_at,
                seen_at=row.seen_at,
                silent_seconds=max(0.0, (moment - row.seen_at).total_seconds()),
                is_busy=row.current is not None,
                calibration_id=row.current if row.current in legs else None,
                leg=legs.get(row.current or ""),
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


def _current_leg(session: Session, calibration_id: str) -> CurrentLeg | None:
    """The leg that was leased last and is not told yet."""
    query = (
        select(LegRow, TrialRow)
        .join(TrialRow, TrialRow.id == LegRow.trial_id)
        .where(TrialRow.calibration_id == calibration_id, LegRow.status == "leased")
        .order_by(LegRow.leased_at.desc())
    )
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
