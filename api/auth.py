"""Who asks, and what a key allows.

A request is served for one tenant. Operations say which scope they need; by default `read` where
they only look and `calibrate` where they change or spend something.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from advisor.errors import AdvisorError, KeyInvalidError
from api.stories.service import LOCAL
from store.access import Key, Scope

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/web/", "/docs/")
"""Served to everyone: nothing there is of any tenant."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="softmax-advisor"'}

_LADDER: tuple[Scope, ...] = get_args(Scope)
_LOOKING = ("GET", "HEAD", "OPTIONS")
_NEEDS = "x-needs-scope"


class KeyMissingError(AdvisorError):
    """A key is needed: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""


class ScopeMissingError(AdvisorError):
    """The key does not allow this."""


@dataclass(frozen=True)
class Caller:
    """Whoever a request comes from: rows of `tenant` are its own, and its only ones."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str | None = None

    @classmethod
    def with_key(cls, key: Key) -> "Caller":
        held = _LADDER[: _LADDER.index(key.scope) + 1]
        return cls(key.tenant, frozenset(held), key.id)


WITHOUT_KEY = Caller(LOCAL, frozenset(_LADDER))
"""Everyone who reaches a server that asks for no key."""
NOBODY = Caller("", frozenset())
"""Whoever asks for what is open to everyone."""


def is_open(path: str) -> bool:
    """Whether whatever is there is served to everyone."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def key_in(headers: Mapping[str, str]) -> str | None:
    """The key that a request brings, None if it brings none; raises KeyInvalidError."""
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise KeyInvalidError("the header Authorization is not 'Bearer KEY'")
    return text.strip()


def needs(scope: Scope) -> dict[str, Any]:
    """For a route's `openapi_extra`: the scope it needs, where that is not the one by default."""
    return {_NEEDS: scope}


def needed_scope(path: str, method: str, extra: Mapping[str, Any] | None) -> Scope | None:
    """The scope that an operation needs; None for one that is open."""
    if is_open(path):
        return None
    return (extra or {}).get(_NEEDS) or ("read" if method.upper() in _LOOKING else "calibrate")


def check_scope(caller: Caller, needed: Scope | None) -> None:
    """Raise ScopeMissingError unless the caller may do what needs this scope."""
    if needed is not None and needed not in caller.scopes:
        raise ScopeMissingError(
            f"this needs a key with scope {needed!r}, and the key {caller.key_id} has "
            f"{', '.join(scope for scope in _LADDER if scope in caller.scopes)} only"
        )


def described(
    openapi: Callable[[], dict[str, Any]], refusals: Mapping[int | str, Any]
) -> dict[str, Any]:
    """The description of an app's operations, with the key and the scope that each needs.

    `refusals` are the answers that whoever may not come in gets, by status.
    """
    description = openapi()
    description["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            needed = needed_scope(path, method, operation)
            if needed is not None:
                operation[_NEEDS] = needed
                # Without one, too: a server that only this machine reaches asks for no key.
                operation["responses"] = {
                    str(status): refusal for status, refusal in refusals.items()
                } | operation["responses"]
                operation["security"] = [{"bearer": []}, {"header": []}, {}]
    return description
