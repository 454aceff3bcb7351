"""RecommendationRepository: answers, kept exactly as they left."""

from sqlalchemy import select

from advisor.errors import NotFoundError
from advisor.recommendation import Recommendation
from store.columns import new_id, now
from store.database import Database
from store.page import Page, checked_limit, is_behind, page_of
from store.tables import LOCAL, RecommendationRow


class RecommendationRepository:
    """Recommendations; there is no way to change one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, recommendation: Recommendation, tenant: str = LOCAL) -> Recommendation:
        """Store an answer; returns it with its id and time."""
        saved = recommendation.model_copy(
            update={"id": new_id(), "tenant": tenant, "created_at": now()}
        )
        row = RecommendationRow(
            id=saved.id,
            tenant=tenant,
            created_at=saved.created_at,
            task_name=saved.task.name,
            loss=saved.loss,
            verdict=saved.verdict,
            evidence_level=saved.evidence_level,
            calibration_id=saved.calibration_id,
            device_id=saved.device_id,
            body=saved.model_dump(mode="json"),
        )
        with self._database.write() as session:
            session.add(row)
        return saved

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

    def list(self, tenant: str, limit: int = 100, after: str | None = None) -> Page[Recommendation]:
        """The tenant's recommendations, newest first."""
        query = select(RecommendationRow).where(RecommendationRow.tenant == tenant)
        if after is not None:
            behind = is_behind(RecommendationRow.created_at, RecommendationRow.id, after)
            query = query.where(behind)
        query = query.order_by(RecommendationRow.created_at.desc(), RecommendationRow.id.desc())
        with self._database.read() as session:
            rows = session.scalars(query.limit(checked_limit(limit) + 1)).all()
        return page_of([Recommendation.model_validate(row.body) for row in rows], limit)
