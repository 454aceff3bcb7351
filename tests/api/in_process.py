"""The service's own app over a real store, without a server process and without the engine.

What needs neither is tested so: the same routes, stories, children and database, at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api.app import create_app, service_of
from api.settings import Settings
from api.stories.service import Service
from store.engine import open_store


class Client(TestClient):
    """A client, and the service behind it."""

    service: Service


@contextmanager
def in_process(settings: Settings, address: str = "127.0.0.1") -> Iterator[Client]:
    """A client of the app with these settings, as its server on this address would answer it."""
    app, store = create_app(settings, address), open_store(settings.database_url)
    service = service_of(settings, store)
    state: dict[str, Any] = {"service": service, "engine": None, "settings": settings}

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    try:
        client = Client(served, base_url="http://127.0.0.1", raise_server_exceptions=False)
        client.service = service
        yield client
    finally:
        store.close()
