"""Origins: whether a page of another site may have made a browser send a request."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from advisor.errors import AdvisorError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class HostRefusedError(AdvisorError):
    """This server is not asked by that name."""


class OriginRefusedError(AdvisorError):
    """Pages of other sites may not use this server."""


def is_loopback(address: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name may lead anywhere
        return False


def check_host(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Refuse a name that a site has let lead here (DNS rebinding); raises HostRefusedError."""
    name = _split(headers.get("host", ""))
    if name not in allowed:
        raise HostRefusedError(
            f"this server is not asked as {name!r}, but as {', '.join(sorted(allowed))}; "
            "the setting ADVISOR_HOSTS names others"
        )


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site sends, a form too; raises OriginRefusedError."""
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        raise OriginRefusedError(f"a page of {origin!r} may not use this server")


def _split(host: str) -> str:
    """The name without its port; one that cannot be read is no name of ours."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host
