"""ResourceRoute: answers that a client need not fetch twice, and posts that it may safely repeat.

A GET has an `ETag`, and `If-None-Match` is answered with 304. A POST that takes `Idempotency-Key`
is done once: the same key and body get the same answer, also after a restart.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.routes.context import Tenant, TheService
from api.stories import once
from api.stories.once import Answer, Once

_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "an ETag given before: nothing is sent again if it is still so",
    "schema": {"type": "string"},
}
_SAME = {304: {"description": "Not Modified: what `If-None-Match` names is still so"}}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AnsweredBeforeError(Exception):
    """This key was answered already: the handler need not run."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class ResourceRoute(APIRoute):
    """The route of an operation on something that is stored."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        if "GET" in (given.get("methods") or ["GET"]):
            extra = given.get("openapi_extra") or {}
            given["openapi_extra"] = {**extra, "parameters": [_MATCH]}
            given["responses"] = {**_SAME, **(given.get("responses") or {})}
        super().__init__(path, endpoint, **given)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except AnsweredBeforeError as before:
                return _again(before.answer)
            except BaseException:
                await _release(request)
                raise
            if request.method == "GET":
                return _tagged(request, response)
            return await _kept(request, response)

        return answer


async def _once(
    request: Request,
    service: TheService,
    tenant: Tenant,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[\x20-\x7e]+$",
            description="any text of the client's own: with the same one, and the same body, this "
            "is done once and answered in the same way",
        ),
    ] = None,
) -> Once | None:
    if idempotency_key is None:
        return None
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    asked += await request.body()
    this = Once(tenant, idempotency_key, hashlib.sha256(asked).hexdigest())
    before = await run_in_threadpool(once.reserve, service, this)
    if before is not None:
        raise AnsweredBeforeError(before)
    request.state.once = this
    return this


TheOnce = Annotated[Once | None, Depends(_once)]
"""What is made must have this one's id, so that it is made once even if nobody hears of it."""


async def _release(request: Request) -> None:
    this = getattr(request.state, "once", None)
    if this is not None:
        await run_in_threadpool(once.release, request.state.service, this)


async def _kept(request: Request, response: Response) -> Response:
    this = getattr(request.state, "once", None)
    if this is None:
        return response
    location = response.headers.get("location")
    answer = Answer(response.status_code, location, bytes(response.body).decode())
    return _again(await run_in_threadpool(once.keep, request.state.service, this, answer))


def _again(answer: Answer) -> Response:
    headers = {} if answer.location is None else {"Location": answer.location}
    return Response(answer.body, answer.status, headers, "application/json")


def _tagged(request: Request, response: Response) -> Response:
    body = getattr(response, "body", None)
    if response.status_code != 200 or body is None:  # a stream has no body to name
        return response
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response.headers["ETag"] = tag
    named = {name.strip() for name in request.headers.get("if-none-match", "").split(",")}
    if not named & {tag, f"W/{tag}", "*"}:
        return response
    kept = ("etag", "vary", "link")
    return Response(
        status_code=304, headers={n: response.headers[n] for n in kept if n in response.headers}
    )
