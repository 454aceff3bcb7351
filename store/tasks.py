"""TaskRepository: tasks kept under an id, and what their data was found to hold."""

from pydantic import AwareDatetime, ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from advisor.errors import NotFoundError
from advisor.summary import DataSummary
from advisor.task import Task
from advisor.value import Value
from store.columns import new_id, now
from store.database import Database
from store.page import Page, checked_limit, is_behind, page_of
from store.tables import TaskRow


class StoredTask(Value):
    """A task with the id by which requests may name it."""

    id: str
    tenant: str
    created_at: AwareDatetime
    task: Task


class TaskRepository:
    """Tasks; one cannot be changed, only deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, task: Task, tenant: str) -> StoredTask:
        """Keep a task; returns it with its id and time."""
        row = TaskRow(
            id=new_id(),
            tenant=tenant,
            created_at=now(),
            name=task.name,
            body=task.model_dump(mode="json"),
        )
        saved = _to_task(row)
        with self._database.write() as session:
            session.add(row)
        return saved

    def get(self, tenant: str, id: str) -> StoredTask:
        """One task of this tenant; raises NotFoundError."""
        with self._database.read() as session:
            return _to_task(_find(session, tenant, id))

    def delete(self, tenant: str, id: str) -> None:
        """Forget a task; answers and calibrations of it stay. Raises NotFoundError."""
        with self._database.write() as session:
            _find(session, tenant, id)
            session.execute(delete(TaskRow).where(TaskRow.id == id))

    def summary(self, tenant: str, id: str, stamp: str) -> DataSummary | None:
        """The summary kept, if it is of data with this stamp and of this version."""
        with self._database.read() as session:
            row = _find(session, tenant, id)
        if row.summary is None or row.summary_stamp != stamp:
            return None
        try:
            return DataSummary.model_validate(row.summary)
        except ValidationError:  # an older version counted other things
            return None

    def keep_summary(self, id: str, stamp: str, summary: DataSummary) -> None:
        """Keep what the data with this stamp holds."""
        body = summary.model_dump(mode="json")
        with self._database.write() as session:
            session.execute(
                update(TaskRow).where(TaskRow.id == id).values(summary=body, summary_stamp=stamp)
            )

    # Last, because its name hides the built-in one from the annotations below it.
    def list(
        self, tenant: str, name: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[StoredTask]:
        """The tenant's tasks, newest first; `name` is a task's whole name."""
        query = select(TaskRow).where(TaskRow.tenant == tenant)
        if name is not None:
            query = query.where(TaskRow.name == name)
        if after is not None:
            query = query.where(is_behind(TaskRow.created_at, TaskRow.id, after))
        query = query.order_by(TaskRow.created_at.desc(), TaskRow.id.desc())
        with self._database.read() as session:
            rows = session.scalars(query.limit(checked_limit(limit) + 1)).all()
        return page_of([_to_task(row) for row in rows], limit)


def _find(session: Session, tenant: str, id: str) -> TaskRow:
    query = select(TaskRow).where(TaskRow.tenant == tenant, TaskRow.id == id)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise NotFoundError(f"no task {id!r}")
    return row


def _to_task(row: TaskRow) -> StoredTask:
    return StoredTask(
        id=row.id,
        tenant=row.tenant,
        created_at=row.created_at,
        task=Task.model_validate(row.body),
    )
