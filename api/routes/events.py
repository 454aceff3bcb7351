"""/v1/calibrations/{id}/events: what a calibration says while it runs, as server-sent events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from advisor.live import NumberedEvent
from api.problems import responses
from api.routes.context import Id, Tenant, TheEvents

router = APIRouter(prefix="/v1/calibrations", tags=["calibrations"])

LastEventId = Annotated[
    int,
    Header(
        ge=0,
        le=2**31 - 1,
        description="the number of the last event seen; what comes behind it is sent",
    ),
]


class EventStream(StreamingResponse):
    """Server-sent events, made once for all who listen: FastAPI's own are made for each anew."""

    media_type = "text/event-stream"


_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "server-sent events: `id` is the event's number, `event` its kind and "
        "`data` a NumberedEvent; the stream ends with the calibration",
        "model": NumberedEvent,
    },
    204: {"description": "The calibration has ended and nothing comes behind that event"},
}


@router.get(
    "/{calibration_id}/events",
    response_class=EventStream,
    responses={**responses(404, 422), **_STREAM},
)
async def stream_events(
    calibration_id: Id,
    tenant: Tenant,
    events: TheEvents,
    last_event_id: LastEventId = 0,
) -> Response:
    """Events since the beginning, or behind `Last-Event-ID`, each once and in order."""
    if not await events.has_more(tenant, calibration_id, last_event_id):
        return Response(status_code=204)  # an EventSource that gets this does not come back
    return EventStream(
        events.stream(calibration_id, last_event_id),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
