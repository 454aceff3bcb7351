"""Profiles read by the hundred: rows of the table, then their curves and devices, each at once.

An answer at once rests on up to 300 of them, so rows stay plain tuples.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from advisor.evidence import Profile
from store.profile_rows import to_device, to_profile
from store.tables import DeviceRow, ProfilePointRow, ProfileRow


def all_profiles() -> Select[Any]:
    """The rows of all profiles, to be filtered."""
    return select(ProfileRow.__table__)


def read_profiles(session: Session, query: Select[Any]) -> list[Profile]:
    """The profiles whose rows a query finds, in its order."""
    return with_curves(session, session.execute(query).all())


def with_curves(session: Session, rows: Sequence[Any]) -> list[Profile]:
    """The profiles of these rows, in their order."""
    points: dict[str, list[tuple[int, float]]] = {row.id: [] for row in rows}
    if not points:
        return []
    point = ProfilePointRow.__table__.c  # past the ORM, which takes twice as long
    curves = select(point.profile_id, point.examples, point.value).where(
        point.profile_id.in_(points)
    )
    ordered = curves.order_by(point.profile_id, point.examples)
    for id_, examples, value in session.execute(ordered).all():
        points[id_].append((examples, value))
    used = select(DeviceRow).where(DeviceRow.id.in_({row.device_id for row in rows}))
    devices = {row.id: to_device(row) for row in session.scalars(used)}
    return [to_profile(row, devices[row.device_id], points[row.id]) for row in rows]
