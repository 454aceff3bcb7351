"""BodyLimit: a body that is too large is refused by its length, or where it passes the limit.

The framework has such a limit too, but answers a length above it in plain text, past every handler
and every header of ours.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems

UPLOADS = "/v1/uploads"
"""Bodies sent there go to the disk as they come, and have limits of their own."""


class BodyLimit:
    """At most so many bytes in a body."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app, self._bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == UPLOADS:
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._bytes_max:
            await problems.answer(Request(scope), self._refusal())(scope, receive, send)
            return
        n_bytes = 0

        async def receive_counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._bytes_max:
                raise self._refusal()
            return message

        await self._app(scope, receive_counted, send)

    def _refusal(self) -> HTTPException:
        # The one kind of exception that the framework lets through while it reads a body.
        return HTTPException(413, f"a body has at most {self._bytes_max:,} bytes here")
