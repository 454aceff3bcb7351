"""What every request passes, put together from the settings and the address that is served."""

from starlette.middleware import Middleware

from api.limits import Rate
from api.metrics import Metrics
from api.middleware.body import BodyLimit
from api.middleware.door import Door
from api.middleware.headers import SafeHeaders
from api.middleware.record import Record
from api.origins import LOOPBACK_NAMES, is_loopback
from api.settings import Settings


def needs_key(settings: Settings, address: str | None) -> bool:
    """Whether a server on this address lets nobody in without a key; None is an unknown one."""
    return settings.needs_key or address is None or not is_loopback(address)


def stack(settings: Settings, address: str | None, metrics: Metrics) -> list[Middleware]:
    """The outermost first."""
    asks_for_key = needs_key(settings, address)
    here = LOOPBACK_NAMES if address is None else LOOPBACK_NAMES | {address}
    hosts = settings.hosts or (None if asks_for_key else here)
    rate = Rate(settings.requests_per_minute)
    return [
        Middleware(Record, metrics=metrics),
        Middleware(SafeHeaders),
        Middleware(BodyLimit, bytes_max=settings.body_bytes_max),
        Middleware(Door, needs_key=asks_for_key, hosts=hosts, rate=rate),
    ]
