"""What is discarded: a candidate's evidence of a task and device, up to a moment.

Marking a profile as bad, or deleting it, would be in vain if the next calibration went on from the
legs it was made of.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, not_, select
from sqlalchemy.orm import Session

from advisor.evidence import Candidate
from store.columns import now
from store.database import insert_or_update
from store.profile_rows import candidate_digest
from store.tables import CalibrationRow, DiscardRow, LegRow, ProfileRow, TrialRow

_KEY = ("tenant", "task_fingerprint", "device_id", "candidate_key")


def discard(session: Session, profile: ProfileRow) -> None:
    """Nothing told of this profile's candidate until now counts any more."""
    values = {name: getattr(profile, name) for name in _KEY} | {"discarded_at": now()}
    insert_or_update(session, DiscardRow, values, _KEY, ("discarded_at",))


def restore(session: Session, profile: ProfileRow) -> None:
    """All that was told of this profile's candidate counts again."""
    same = [getattr(DiscardRow, name) == getattr(profile, name) for name in _KEY]
    session.execute(delete(DiscardRow).where(*same))


def began_before_discard(session: Session, key: dict[str, Any], calibration_id: str | None) -> bool:
    """Whether this calibration may rest on legs that were discarded while it ran."""
    same = [getattr(DiscardRow, name) == key[name] for name in _KEY]
    began = select(CalibrationRow.started_at).where(CalibrationRow.id == calibration_id)
    query = select(DiscardRow).where(*same, DiscardRow.discarded_at > began.scalar_subquery())
    return session.scalars(query).first() is not None


def without_discarded(
    session: Session,
    query: Select[LegRow, TrialRow],
    tenant: str,
    task_fingerprint: str,
    device_id: str,
) -> Select[LegRow, TrialRow]:
    """The query of told legs, without those that were discarded."""
    gone = select(DiscardRow).where(
        DiscardRow.tenant == tenant,
        DiscardRow.task_fingerprint == task_fingerprint,
        DiscardRow.device_id == device_id,
    )
    until = {row.candidate_key: row.discarded_at for row in session.scalars(gone)}
    if not until:
        return query
    columns = query.with_only_columns(TrialRow.id, TrialRow.loss, TrialRow.settings)
    conditions: list[ColumnElement[bool]] = []
    by_moment: dict[datetime, set[str]] = {}
    for id_, loss, settings in session.execute(columns.order_by(None)):
        key = candidate_digest(Candidate(loss=loss, settings=settings))
        if key in until:
            by_moment.setdefault(until[key], set()).add(id_)
    for moment, trial_ids in by_moment.items():
        conditions.append(not_(and_(TrialRow.id.in_(trial_ids), LegRow.told_at <= moment)))
    return query.where(*conditions)
