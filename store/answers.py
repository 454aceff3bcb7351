"""AnswerRepository: what was answered to requests with a key of their own."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import delete, update

from store.columns import now
from store.database import Database, insert_or_update
from store.tables import AnswerRow

_UNIQUE = ("tenant", "key")


class Answer(NamedTuple):
    """An answer as it left."""

    status: int
    location: str | None
    body: str


class AnswerRepository:
    """Keys, each with the request it came with, and its answer once there is one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, tenant: str, key: str, digest: str) -> tuple[str, Answer | None]:
        """Bind a new key to a request; returns the request that it is bound to, and its answer."""
        values = {"tenant": tenant, "key": key, "digest": digest, "created_at": now()}
        with self._database.write() as session:
            insert_or_update(session, AnswerRow, values, _UNIQUE, ())
            row = session.get_one(AnswerRow, (tenant, key))
            return row.digest, _to_answer(row)

    def keep(self, tenant: str, key: str, digest: str, answer: Answer) -> Answer:
        """Keep an answer; returns the first one kept of this key."""
        values = {"tenant": tenant, "key": key, "digest": digest, "created_at": now()}
        unanswered = (
            AnswerRow.tenant == tenant,
            AnswerRow.key == key,
            AnswerRow.status.is_(None),
        )
        with self._database.write() as session:
            insert_or_update(session, AnswerRow, values, _UNIQUE, ())
            session.execute(update(AnswerRow).where(*unanswered).values(answer._asdict()))
            return _to_answer(session.get_one(AnswerRow, (tenant, key))) or answer

    def release(self, tenant: str, key: str) -> None:
        """Forget a key that has no answer."""
        own = (AnswerRow.tenant == tenant, AnswerRow.key == key)
        with self._database.write() as session:
            session.execute(delete(AnswerRow).where(*own, AnswerRow.status.is_(None)))

    def forget(self, days: float) -> None:
        """Forget all keys that are older."""
        moment = now() - timedelta(days=days)
        with self._database.write() as session:
            session.execute(delete(AnswerRow).where(AnswerRow.created_at < moment))


def _to_answer(row: AnswerRow) -> Answer | None:
    if row.status is None or row.body is None:
        return None
    return Answer(row.status, row.location, row.body)
