"""What a request is served with: who asks, and the service and engine that `create_app` made.

These are async though they wait for nothing: the framework would give a thread to each otherwise.
"""

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator, Field

from api.auth import Caller, check_scope, needed_scope
from api.events import EventHub
from api.jobs import Engine
from api.metrics import Metrics
from api.settings import Settings
from api.stories.service import Service
from store.page import MAX_LIMIT


async def _service(request: Request) -> Service:
    return request.state.service


async def _engine(request: Request) -> Engine:
    return request.state.engine


async def _events(request: Request) -> EventHub:
    return request.state.events


async def _metrics(request: Request) -> Metrics:
    return request.app.state.metrics


async def _settings(request: Request) -> Settings:
    return request.state.settings


async def _caller(request: Request) -> Caller:
    return request.state.caller


async def _tenant(request: Request) -> str:
    return request.state.caller.tenant


async def permitted(request: Request) -> None:
    """Raise ScopeMissingError unless the caller may use the operation that is asked for."""
    route = request.scope["route"]
    needed = needed_scope(route.path, request.method, route.openapi_extra)
    check_scope(request.state.caller, needed)


TheService = Annotated[Service, Depends(_service)]
TheEngine = Annotated[Engine, Depends(_engine)]
TheEvents = Annotated[EventHub, Depends(_events)]
TheMetrics = Annotated[Metrics, Depends(_metrics)]
TheSettings = Annotated[Settings, Depends(_settings)]
TheCaller = Annotated[Caller, Depends(_caller)]
Tenant = Annotated[str, Depends(_tenant)]

# No database takes a NUL inside a text, and no id or name of ours holds a control character.
_TEXT = r"^[^\x00-\x1f]*$"
Id = Annotated[str, Path(max_length=100, pattern=_TEXT)]
Filter = Annotated[str | None, Query(max_length=200, pattern=_TEXT)]
PageSize = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
PageToken = Annotated[
    Annotated[str, Field(max_length=500)] | None,
    BeforeValidator(lambda token: token or None),  # an empty one is the first page
    Query(),
]
