"""Who asks: the tenant that a request is served for, and what it may do."""

from dataclasses import dataclass
from typing import Literal

from api.stories.service import LOCAL

Scope = Literal["read", "calibrate", "admin"]
"""`read`: look, and ask for answers at once; `calibrate`: spend and change, too; `admin`: all."""


@dataclass(frozen=True)
class Caller:
    """Whoever a request comes from: rows of `tenant` are its own, and its only ones."""

    tenant: str
    scopes: frozenset[Scope]


WITHOUT_KEY = Caller(LOCAL, frozenset[Scope](("read", "calibrate", "admin")))
"""Everyone who reaches a server that asks for no key."""
