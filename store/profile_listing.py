"""Profiles as they are listed: filtered, sorted, page by page, whatever the order."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from advisor.errors import PageInvalidError
from advisor.evidence import Profile
from advisor.value import Value
from store.page import Page
from store.tables import ProfileRow

ProfileSort = Literal[
    "-created_at",
    "created_at",
    "-final_value",
    "final_value",
    "-n_classes",
    "n_classes",
    "-step_seconds",
    "step_seconds",
    "-peak_bytes",
    "peak_bytes",
]
"""By what profiles are sorted; with a dash the largest first. What has no such number is left out.
"""
_COUNT_MAX = 2**63 - 1
_FEW = 1000
_ID = re.compile(r"[0-9a-f]{1,32}")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _within(count: int) -> int:
    """A count that fits a column: no task has more classes than that."""
    return max(0, min(count, _COUNT_MAX))


def _count(text: str) -> int:
    return _within(int(text))


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


_READ: dict[str, Callable[[str], Any]] = {
    "created_at": _moment,
    "n_classes": _count,
    "peak_bytes": _count,
}


class ProfileFilter(Value):
    """Which profiles to list; None means any."""

    loss: str | None = None
    task_name: str | None = None
    kind: str | None = None
    device_id: str | None = None
    metric: str | None = None
    n_classes_min: int | None = None
    n_classes_max: int | None = None
    source: str | None = None
    bad: bool | None = None

    @property
    def is_by_size(self) -> bool:
        """Whether the number of classes matters."""
        return self.n_classes_min is not None or self.n_classes_max is not None

    @property
    def sizes(self) -> tuple[int, int]:
        """The least and the largest number of classes, so that they fit a column."""
        return _within(self.n_classes_min or 0), _within(
            _COUNT_MAX if self.n_classes_max is None else self.n_classes_max
        )


class _Order(NamedTuple):
    """A sort as a column and a direction."""

    name: ProfileSort
    column: InstrumentedAttribute[Any]
    falls: bool

    @classmethod
    def of(cls, sort: ProfileSort) -> "_Order":
        name = sort.removeprefix("-")
        column = ProfileRow.step_seconds_mean if name == "step_seconds" else None
        return cls(sort, column or getattr(ProfileRow, name), sort.startswith("-"))

    def after(self, token: str) -> ColumnElement[bool]:
        """The condition that a row comes behind the place of a token."""
        value, id_ = self._parsed(token)
        place = tuple_(value, id_, types=[self.column.type, ProfileRow.id.type])
        here = tuple_(self.column, ProfileRow.id)
        return here < place if self.falls else here > place

    def token(self, profile: Profile) -> str:
        """The place of a profile, as text that is safe in a URL."""
        value = {
            "created_at": profile.created_at and profile.created_at.isoformat(),
            "final_value": profile.final_value,
            "n_classes": profile.statistics.n_classes,
            "step_seconds": profile.step_seconds and profile.step_seconds.mean,
            "peak_bytes": profile.peak_bytes,
        }[self.name.removeprefix("-")]
        text = f"{self.name} {value} {profile.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _parsed(self, token: str) -> tuple[Any, str]:
        try:
            padded = token.encode() + b"=" * (-len(token) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            name, value, id_ = text.split(" ")
            place = _READ.get(name.removeprefix("-"), _number)(value), id_
        except (ValueError, OverflowError, binascii.Error):
            raise PageInvalidError from None
        if name != self.name:
            raise PageInvalidError("the page token is of a list that is sorted otherwise")
        if not _ID.fullmatch(id_):
            raise PageInvalidError
        return place


def listing_query(
    query: Select[Any],
    filter: ProfileFilter,
    sort: ProfileSort,
    after: str | None,
) -> Select[Any]:
    """The query, filtered, sorted, and begun behind a page token; raises PageInvalidError."""
    order = _Order.of(sort)
    query = _filtered(query, filter, order)
    if order.name.removeprefix("-") not in ("created_at", "n_classes"):
        query = query.where(order.column.is_not(None))
    if after is not None:
        query = query.where(order.after(after))
    columns = (order.column, ProfileRow.id)
    return query.order_by(*((c.desc() if order.falls else c.asc()) for c in columns))


def few_of_size(session: Session, tenant: str, filter: ProfileFilter) -> list[str] | None:
    """The ids of a tenant's profiles of the sizes asked for; None if there are many, or all are.

    Few are found by their size and then sorted: who looks for them newest first looks at all.
    """
    if not filter.is_by_size:
        return None
    row = ProfileRow
    query = select(row.id).where(row.tenant == tenant, row.n_classes.between(*filter.sizes))
    found = [*session.scalars(query.limit(_FEW + 1))]
    return found if len(found) <= _FEW else None


def page_of_profiles(found: list[Profile], limit: int, sort: ProfileSort) -> Page[Profile]:
    """A page of at most `limit` profiles out of a list read one profile further than that."""
    items = tuple(found[:limit])
    return Page(items, _Order.of(sort).token(items[-1]) if len(found) > limit else None)


def sorts() -> tuple[ProfileSort, ...]:
    """Every sort there is."""
    return get_args(ProfileSort)


def _filtered(query: Select[Any], filter: ProfileFilter, order: _Order) -> Select[Any]:
    for name in ("loss", "task_name", "kind", "device_id", "metric", "source", "bad"):
        value = getattr(filter, name)
        if value is not None:
            query = query.where(getattr(ProfileRow, name) == value)
    if not filter.is_by_size:
        return query
    # Adding nothing keeps the index by number of classes from being used: of many that match, the
    # first few in the order asked for are found sooner than all of them are sorted.
    is_sorted_so = order.column is ProfileRow.n_classes
    n_classes = ProfileRow.n_classes if is_sorted_so else ProfileRow.n_classes + 0
    return query.where(n_classes.between(*filter.sizes))
