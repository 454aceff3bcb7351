"""RecommendationRepository: answers, kept exactly as they left."""

from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import select

from advisor.errors import NotFoundError
from advisor.recommendation import EvidenceLevel, Recommendation, Verdict
from advisor.value import Value
from store.columns import JsonText, new_id, now
from store.database import Database, insert_or_update
from store.page import Page, checked_limit, is_behind, page_of
from store.tables import LOCAL, RecommendationRow


class AnswerLine(Value):
    """A recommendation in a list."""

    id: str
    created_at: AwareDatetime
    task_name: str
    loss: str
    verdict: Verdict
    evidence_level: EvidenceLevel
    calibration_id: str | None
    device_id: str | None


class AnswerFilter(Value):
    """Which recommendations to list; None means any."""

    task_name: str | None = None
    loss: str | None = None
    verdict: Verdict | None = None


class RecommendationRepository:
    """Recommendations; there is no way to change one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, recommendation: Recommendation, tenant: str = LOCAL, id: str | None = None
    ) -> Recommendation:
        """Store an answer; returns it with its id and time, or the one that has this `id`."""
        saved = recommendation.model_copy(
            update={"id": id or new_id(), "tenant": tenant, "created_at": now()}
        )
        columns: dict[str, Any] = dict(
            id=saved.id,
            tenant=tenant,
            created_at=saved.created_at,
            task_name=saved.task.name,
            loss=saved.loss,
            verdict=saved.verdict,
            evidence_level=saved.evidence_level,
            calibration_id=saved.calibration_id,
            device_id=saved.device_id,
            body=JsonText(saved.model_dump_json()),
        )
        with self._database.write() as session:
            insert_or_update(session, RecommendationRow, columns, ("id",), ())
        return saved if id is None else self.get(tenant, id)

    def get(self, tenant: str, id: str) -> Recommendation:
        """One recommendation of this tenant; raises NotFoundError."""
        query = select(RecommendationRow).where(
            RecommendationRow.tenant == tenant, RecommendationRow.id == id
        )
        with self._database.read() as session:
            row = session.scalars(query).one_or_none()
        if row is None:
            raise NotFoundError(f"no recommendation {id!r}")
        return Recommendation.model_validate(row.body)

    # Last, because its name hides the built-in one from the annotations below it.
    def list(
        self,
        tenant: str,
        filter: AnswerFilter | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[AnswerLine]:
        """The tenant's recommendations, a line each, newest first."""
        names = AnswerLine.model_fields
        columns = [getattr(RecommendationRow, name) for name in names]
        query = select(*columns).where(RecommendationRow.tenant == tenant)
        for name, value in filter or AnswerFilter():
            if value is not None:
                query = query.where(getattr(RecommendationRow, name) == value)
        if after is not None:
            behind = is_behind(RecommendationRow.created_at, RecommendationRow.id, after)
            query = query.where(behind)
        query = query.order_by(RecommendationRow.created_at.desc(), RecommendationRow.id.desc())
        with self._database.read() as session:
            rows = session.execute(query.limit(checked_limit(limit) + 1)).mappings().all()
        return page_of([AnswerLine.model_validate(dict(row)) for row in rows], limit)
