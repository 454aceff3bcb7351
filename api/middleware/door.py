"""Door: lets in whoever may come in, before anything of the body is read.

Without a key only where none is needed; there, what a page of another site may have made a
browser send is refused. With one, as its tenant, and not too often.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.auth import NOBODY, WITHOUT_KEY, Caller, KeyMissingError, is_open, key_in
from api.limits import Rate
from api.origins import check_host, check_origin

_HEALTH = ("/healthz", "/readyz")


class Door:
    """Puts the caller into the request's state, or answers with a problem."""

    def __init__(
        self, app: ASGIApp, *, needs_key: bool, hosts: frozenset[str] | None, rate: Rate
    ) -> None:
        self._app, self._needs_key, self._hosts, self._rate = app, needs_key, hosts, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope["state"] = {**scope.get("state", {}), "caller": await self._caller(scope)}
        except Exception as error:
            await problems.answer(Request(scope), error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        path, headers = scope["path"], Headers(scope=scope)
        if path in _HEALTH:  # whoever looks after the service asks by any name
            return NOBODY
        if self._hosts is not None:
            check_host(headers, self._hosts)
        text = key_in(headers)
        if text is not None:
            access = scope["state"]["service"].store.access
            caller = Caller.with_key(await run_in_threadpool(access.check, text))
            self._rate.count(str(caller.key_id))
            return caller
        if is_open(path):
            return NOBODY
        if self._needs_key:
            raise KeyMissingError
        check_origin(headers)
        return WITHOUT_KEY
