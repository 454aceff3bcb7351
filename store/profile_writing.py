"""A profile written inside the caller's session, with its device and its curve."""

import math

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from advisor.evidence import Device, Profile
from store.columns import new_id, now
from store.database import insert_or_update
from store.discards import began_before_discard
from store.profile_rows import profile_columns
from store.stamps import mark_changed
from store.tables import DeviceRow, ProfilePointRow, ProfileRow

_MEASURED = ("tenant", "task_fingerprint", "device_id", "candidate_key", "source")


def write_profile(session: Session, profile: Profile, calibration_id: str | None) -> str:
    """Store a profile and its device; what the tenant knew of the same measurement goes.

    Returns its id, which stays when it is replaced, and so does whether it is shared.
    """
    columns = profile_columns(profile, calibration_id)
    columns |= {
        "id": new_id(),
        "created_at": now(),
        "bad": began_before_discard(session, columns, calibration_id),
    }
    write_device(session, profile.device)
    changed = columns.keys() - {"id", "shared", *_MEASURED}
    insert_or_update(session, ProfileRow, columns, _MEASURED, changed)
    same = [getattr(ProfileRow, name) == columns[name] for name in _MEASURED]
    id_, shared = session.execute(select(ProfileRow.id, ProfileRow.shared).where(*same)).one()
    mark_changed(session, profile.tenant, shared=shared)
    session.execute(delete(ProfilePointRow).where(ProfilePointRow.profile_id == id_))
    points = [
        {"profile_id": id_, "tenant": profile.tenant, **point.model_dump()}
        for point in profile.curve
        if math.isfinite(point.value)
    ]
    if points:
        session.execute(insert(ProfilePointRow), points)
    return id_


def write_device(session: Session, device: Device) -> None:
    """Remember a device; its id is its fingerprint, so a known one needs no change."""
    insert_or_update(session, DeviceRow, device.model_dump(), ("id",), ())
