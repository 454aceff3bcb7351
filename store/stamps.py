"""Stamps: a new one with every change of the profiles that a tenant's answers may rest on.

Whoever keeps what it made of them keeps it under the stamp that it read before the profiles, and
asks for the stamp again before it uses it; so it does, in any process, what the database says now.
"""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, or_, select
from sqlalchemy.orm import Session

from store.columns import new_id
from store.database import at_end, insert_or_update
from store.tables import EvidenceStampRow

_SHARED = "*"  # no tenant has such a name
_CHANGED = "tenants whose profiles have changed"


def mark_changed(session: Session, tenant: str, *, shared: bool) -> None:
    """Give the tenant a new stamp with this transaction, and everyone if what changed is shared."""
    changed = session.info.setdefault(_CHANGED, set[str]())
    changed |= {tenant, _SHARED} if shared else {tenant}
    # The last statements of the transaction: who holds these rows waits for no others.
    at_end(session, _write_stamps)


def read_stamp(connection: Connection, tenant: str) -> str:
    """The stamp of all profiles that answers of this tenant may rest on."""
    return " ".join(connection.scalars(_reading(), {"own": tenant, "shared": _SHARED}))


@cache
def _reading() -> Select[Any]:
    """The query, built once: every answer asks it."""
    row = EvidenceStampRow.__table__.c
    either = or_(row.tenant == bindparam("own"), row.tenant == bindparam("shared"))
    return select(row.stamp).where(either).order_by(row.tenant)


def _write_stamps(session: Session) -> None:
    for tenant in sorted(session.info.pop(_CHANGED)):
        values = {"tenant": tenant, "stamp": new_id()}
        insert_or_update(session, EvidenceStampRow, values, ("tenant",), ("stamp",))
