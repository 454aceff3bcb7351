"""WorkerRepository: who is alive, by the one clock that all workers share, the database's."""

from datetime import timedelta

from pydantic import AwareDatetime
from sqlalchemy import delete, select

from advisor.value import Value
from store.columns import DatabaseNow
from store.database import Database, insert_or_update
from store.tables import LOCAL, WorkerRow


class Worker(Value):
    """A process that trains legs on a device; `current` is the leg it trains now."""

    id: str
    device: str | None
    tag: str
    current: str | None
    started_at: AwareDatetime
    seen_at: AwareDatetime


class WorkerRepository:
    """Heartbeats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(
        self, worker_id: str, device: str | None, tag: str, current: str | None = None
    ) -> None:
        """Say that this worker is alive, and what it does."""
        values = {
            "id": worker_id,
            "tenant": LOCAL,
            "device": device,
            "tag": tag,
            "current": current,
            "started_at": DatabaseNow(),
            "seen_at": DatabaseNow(),
        }
        changed = ("device", "tag", "current", "seen_at")
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

    # Last, because its name hides the built-in one from the annotations below it.
    def list(self) -> list[Worker]:
        """All workers by id, dead or alive."""
        with self._database.read() as session:
            rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id))
            return [
                Worker.model_validate({name: getattr(row, name) for name in Worker.model_fields})
                for row in rows
            ]
