"""Server-sent events read in tests, as a browser would read them."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx_sse

from advisor.live import NumberedEvent
from tests.api.servers import Site


@contextmanager
def events_of(
    site: Site, calibration_id: str, after: int | None = None
) -> Iterator[Iterator[NumberedEvent]]:
    """The events of a calibration behind a number, as they come."""
    path = f"/v1/calibrations/{calibration_id}/events"
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with httpx_sse.connect_sse(site.http, "GET", path, headers=headers) as source:
        yield (_parsed(sent) for sent in source.iter_sse() if sent.data)


def _parsed(sent: httpx_sse.ServerSentEvent) -> NumberedEvent:
    event = NumberedEvent.model_validate_json(sent.data)
    assert (sent.id, sent.event) == (str(event.number), event.event.kind)
    return event
