"""Page: one stretch of a long list, newest first, with an opaque token for the next one.

The token names the last row seen by (created_at, id), so rows added meanwhile shift nothing.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from advisor.errors import PageInvalidError

T = TypeVar("T")
MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the token to pass as `after` for those behind them; None at the end."""

    items: tuple[T, ...]
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in a list sorted by (created_at, id)."""

    created_at: datetime
    id: str

    def token(self) -> str:
        """This place as text that is safe in a URL."""
        text = f"{self.created_at.astimezone(UTC).isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> "Cursor":
        """Read a token; raises PageInvalidError for anything that this module did not write."""
        try:
            padded = token.encode() + b"=" * (-len(token) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            created_at, id_ = text.split(" ")
            cursor = cls(datetime.fromisoformat(created_at).astimezone(UTC), id_)
        except (ValueError, OverflowError, binascii.Error):
            raise PageInvalidError from None
        if cursor.token() != token:
            raise PageInvalidError
        return cursor


class Listed(Protocol):
    """What can be in a page: a stored value with its id and time."""

    @property
    def id(self) -> str | None: ...
    @property
    def created_at(self) -> datetime | None: ...


L = TypeVar("L", bound=Listed)


def page_of(found: Sequence[L], limit: int) -> Page[L]:
    """A page of at most `limit` items out of a list read one item further than that."""
    items = tuple(found[:limit])
    if len(found) <= limit or not items:
        return Page(items)
    last = items[-1]
    assert last.created_at is not None
    assert last.id is not None
    return Page(items, Cursor(last.created_at, last.id).token())


def checked_limit(limit: int) -> int:
    """The limit, if a page may have that size."""
    if not 1 <= limit <= MAX_LIMIT:
        raise PageInvalidError(f"limit: {limit} is not between 1 and {MAX_LIMIT}")
    return limit


def is_behind(
    created_at: InstrumentedAttribute[Any], id_: InstrumentedAttribute[Any], token: str
) -> ColumnElement[bool]:
    """The condition that a row comes after the token's place in a list that is newest first."""
    cursor = Cursor.parse(token)
    place = tuple_(cursor.created_at, cursor.id, types=[created_at.type, id_.type])
    return tuple_(created_at, id_) < place
