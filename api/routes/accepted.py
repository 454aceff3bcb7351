"""Which of several media types a client would have, by its `Accept` header (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from advisor.errors import NotAcceptableError

JSON = "application/json"


def best_accepted(accept: str, offered: Sequence[str]) -> str:
    """The offered type that is accepted most, the first of equal ones.

    Raises NotAcceptableError where none is.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    quality = {kind: _quality(kind, ranges) for kind in offered}
    best = max(offered, key=lambda kind: quality[kind])
    if quality[best] <= 0:
        raise NotAcceptableError(
            f"Accept: {accept[:200]!r} was asked for; there are {', '.join(offered)}"
        )
    return best


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, float(value)
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """That of the most exact range that the type is in; 0 where it is in none."""
    for pattern in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        found = [quality for accepted, quality in ranges if accepted == pattern]
        if found:
            return max(found)
    return 0.0
