"""AccessRepository: keys that let a tenant in; only a hash of the secret is kept.

A key's text is `sa_<id>_<secret>`: the id finds the row, the secret is compared. A secret has 256
bits of chance, so that one round of SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import re
import secrets
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from advisor.errors import KeyInvalidError, NotFoundError
from advisor.value import Value
from store.columns import now
from store.database import Database
from store.tables import KeyRow

Scope = Literal["read", "calibrate", "admin"]
"""Each may do what those before it may."""

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,30}", re.ASCII)
"""A tenant's name; it may be that of a folder, too."""
_TEXT = re.compile(r"sa_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)
_NO_SECRET = hashlib.sha256().hexdigest()


class Key(Value):
    """What is known of a key; not its secret."""

    id: str
    tenant: str
    name: str
    scope: Scope
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None

    @property
    def is_valid(self) -> bool:
        """Whether it lets anyone in now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())


class NewKey(Value):
    """A key that has just been made, with the only copy of its text."""

    key: Key
    text: str


class AccessRepository:
    """Keys: made, checked, listed, revoked; never changed in any other way."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, tenant: str, scope: Scope, name: str = "", expires_at: datetime | None = None
    ) -> NewKey:
        """A new key; its text is in the answer and nowhere else."""
        id_, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = KeyRow(
            id=id_,
            tenant=tenant,
            name=name,
            scope=scope,
            secret_sha256=_digest(secret),
            expires_at=expires_at,
        )
        with self._database.write() as session:
            session.add(row)
            session.flush()
            return NewKey(key=_to_key(row), text=f"sa_{id_}_{secret}")

    def check(self, text: str) -> Key:
        """The key with this text; raises KeyInvalidError if it is none, has expired or is revoked.

        Why is said only to those who have the whole of it.
        """
        parts = _TEXT.fullmatch(text)
        if parts is None:
            raise KeyInvalidError("this is not a key of ours; one begins with 'sa_'")
        id_, secret = parts.groups()
        with self._database.read() as session:
            row = session.get(KeyRow, id_)
        # Compared whether the id is there or not, so that the time taken does not tell.
        stored = _NO_SECRET if row is None else row.secret_sha256
        if not secrets.compare_digest(stored, _digest(secret)) or row is None:
            raise KeyInvalidError
        key = _to_key(row)
        if key.revoked_at is not None:
            raise KeyInvalidError(f"the key {id_} was revoked on {_day(key.revoked_at)}")
        if not key.is_valid and key.expires_at is not None:
            raise KeyInvalidError(f"the key {id_} expired on {_day(key.expires_at)}")
        return key

    def has_valid(self) -> bool:
        """Whether there is any key that lets someone in now."""
        valid = KeyRow.revoked_at.is_(None) & or_(
            KeyRow.expires_at.is_(None), KeyRow.expires_at > now()
        )
        with self._database.read() as session:
            return session.scalars(select(KeyRow.id).where(valid).limit(1)).first() is not None

    def revoke(self, id: str) -> Key:
        """Let a key in no more, from the next request on; raises NotFoundError."""
        with self._database.write() as session:
            row = _find(session, id)
            row.revoked_at = row.revoked_at or now()
            return _to_key(row)

    # Last, because its name hides the built-in one from the annotations below it.
    def list(self, tenant: str | None = None) -> list[Key]:
        """The keys of a tenant, or of all, the newest first."""
        query = select(KeyRow).order_by(KeyRow.created_at.desc(), KeyRow.id)
        if tenant is not None:
            query = query.where(KeyRow.tenant == tenant)
        with self._database.read() as session:
            return [_to_key(row) for row in session.scalars(query)]


def _find(session: Session, id: str) -> KeyRow:
    row = session.get(KeyRow, id)
    if row is None:
        raise NotFoundError(f"no key {id!r}")
    return row


def _to_key(row: KeyRow) -> Key:
    return Key.model_validate({name: getattr(row, name) for name in Key.model_fields})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
