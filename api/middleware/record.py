"""Record: every request has an id, a line in the log and a place in the metrics."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import NOBODY
from api.logs import REQUESTS, about
from api.metrics import Metrics

HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_UNKNOWN = "none"

_log = logging.getLogger(REQUESTS)


class Record:
    """Measures from the first byte asked to the last one answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ID.fullmatch(given) else uuid4().hex
        status, started = 500, time.perf_counter()

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with about(request_id=request_id):
            try:
                await self._app(scope, receive, send_recorded)
            finally:
                self._keep(scope, status, time.perf_counter() - started)

    def _keep(self, scope: Scope, status: int, seconds: float) -> None:
        operation = getattr(scope.get("route"), "name", _UNKNOWN)
        self._metrics.count_request(operation, status, seconds)
        caller = scope.get("state", {}).get("caller", NOBODY)
        _log.info(
            "%s %s",
            scope["method"],
            operation,
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "seconds": round(seconds, 6),
                "operation": operation,
                "tenant": caller.tenant,
                "key": caller.key_id,
            },
        )
