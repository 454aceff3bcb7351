"""OutcomeRepository: what full training really gave, and the profiles that it became."""

from pydantic import AwareDatetime
from sqlalchemy import select

from advisor.evidence import Profile
from advisor.outcome import FullTraining
from store.columns import new_id, now
from store.database import Database, insert_or_update
from store.profile_rows import candidate_digest
from store.profile_writing import write_profile
from store.tables import OutcomeRow


class StoredOutcome(FullTraining):
    """What was told of a recommendation, and the id of the profile that it became."""

    id: str
    tenant: str
    created_at: AwareDatetime
    recommendation_id: str
    profile_id: str


class OutcomeRepository:
    """Outcomes; a second one of the same answer and candidate takes the place of the first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, recommendation_id: str, training: FullTraining, profile: Profile
    ) -> StoredOutcome:
        """Keep what was told, and its profile, which replaces one told before of the same."""
        unique = ("recommendation_id", "candidate_key")
        key = candidate_digest(profile.candidate)
        with self._database.write() as session:
            profile_id = write_profile(session, profile, None)
            values = {
                "id": new_id(),
                "tenant": profile.tenant,
                "created_at": now(),
                "recommendation_id": recommendation_id,
                "candidate_key": key,
                "profile_id": profile_id,
                "body": training.model_dump(mode="json"),
            }
            changed = ("created_at", "profile_id", "body")
            insert_or_update(session, OutcomeRow, values, unique, changed)
            same = [getattr(OutcomeRow, name) == values[name] for name in unique]
            return _to_outcome(session.scalars(select(OutcomeRow).where(*same)).one())

    # Last, because its name hides the built-in one from the annotations below it.
    def list(self, tenant: str, recommendation_id: str) -> tuple[StoredOutcome, ...]:
        """All that was told of an answer, newest first."""
        query = select(OutcomeRow).where(
            OutcomeRow.tenant == tenant, OutcomeRow.recommendation_id == recommendation_id
        )
        query = query.order_by(OutcomeRow.created_at.desc(), OutcomeRow.id.desc())
        with self._database.read() as session:
            return tuple(_to_outcome(row) for row in session.scalars(query))


def _to_outcome(row: OutcomeRow) -> StoredOutcome:
    apart = FullTraining.model_fields.keys()
    columns = {n: getattr(row, n) for n in StoredOutcome.model_fields if n not in apart}
    return StoredOutcome.model_validate({**row.body, **columns})
