"""RecommendationRepository: answers, kept exactly as they left."""

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


class AnswerText(Value):
    """An answer as JSON, written once however often it is given, and what lists show of it.

    What each time that it is given has of its own is left out of `content`.
    """

    content: str
    task_name: str
    loss: str
    verdict: Verdict
    evidence_level: EvidenceLevel
    device_id: str | None

    @classmethod
    def of(cls, answer: Recommendation) -> "AnswerText":
        listed = {n: getattr(answer, n) for n in ("loss", "verdict", "evidence_level", "device_id")}
        content = answer.model_dump_json(exclude={*Given.model_fields})
        return cls(content=content, task_name=answer.task.name, **listed)

    def given(self, own: "Given") -> str:
        """The JSON of the whole answer."""
        return f"{own.model_dump_json()[:-1]},{self.content[1:]}"


class Given(Value):
    """What an answer has of its own each time it is given."""

    id: str | None = None
    tenant: str = LOCAL
    created_at: AwareDatetime | None = None
    calibration_id: str | None = None
    elapsed_seconds: float


class RecommendationRepository:
    """Recommendations; there is no way to change one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, recommendation: Recommendation, tenant: str = LOCAL, id: str | None = None
    ) -> Recommendation:
        """Store an answer; returns it with its id and time, or the one that has this `id`."""
        own = Given(
            id=id,
            tenant=tenant,
            calibration_id=recommendation.calibration_id,
            elapsed_seconds=recommendation.elapsed_seconds,
        )
        _, text = self.save_text(AnswerText.of(recommendation), own)
        return Recommendation.model_validate_json(text)

    def save_text(self, answer: AnswerText, own: Given) -> tuple[str, str]:
        """Store an answer; returns its id and its JSON, or that of the one that has this id."""
        saved = own.model_copy(update={"id": own.id or new_id(), "created_at": now()})
        id_, text = str(saved.id), answer.given(saved)
        columns = {
            **saved.model_dump(exclude={"elapsed_seconds"}),
            **answer.model_dump(exclude={"content"}),
            "body": JsonText(text),
        }
        with self._database.begin() as connection:
            insert_or_update(connection, RecommendationRow, columns, ("id",), ())
        if own.id is None:
            return id_, text
        return id_, self.get(own.tenant, own.id).model_dump_json()

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
