"""The composition root: settings become a server or a worker; nothing is global."""

import asyncio
import logging
import logging.config
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig

from advisor.catalogue import known_losses
from advisor.errors import AdvisorError
from api import auth, problems
from api.events import EventHub
from api.jobs import Engine, running_engine, upgrade_engine
from api.logs import logging_config
from api.metrics import Metrics
from api.middleware.stack import needs_key, stack
from api.openapi import with_examples
from api.routes import (
    ask_tell,
    calibrations,
    devices,
    docs,
    events,
    health,
    losses,
    profiles,
    recommendations,
    samples,
    tasks,
    trials,
    uploads,
    web,
    workers,
)
from api.routes import metrics as metrics_page
from api.routes.context import permitted
from api.settings import Settings
from api.slot import taken_slot
from api.stories import once
from api.stories import uploads as uploads_story
from api.stories.service import Service
from store.database import parse_url
from store.engine import Store, open_store, upgrade

GRACE_SECONDS = 3
"""How long requests in flight may go on when the server is told to stop."""
TRACES: TelemetryConfig = {"auto_configure": True, "metrics": False, "logs": False}
"""Spans leave where OTEL_EXPORTER_OTLP_ENDPOINT says; metrics and logs have ways of their own."""
STOP_SECONDS = 8.0
"""A frozen database does not let go of a process; after so long it ends as if killed."""
SWEEP_SECONDS = 3600
"""How often uploads whose days are over are deleted, and old keys of requests."""
_log = logging.getLogger(__name__)


class NoKeyError(AdvisorError):
    """There is no key that would let anyone in."""


def create_app(
    settings: Settings | None = None,
    address: str | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """The HTTP service; it opens the store and starts the engine when it is served.

    `address` is the one it listens on; without one it is taken as reachable by others. When
    `is_stopping` turns true, streams end, so that no listener keeps the server up.
    """
    used, metrics = settings or Settings(), Metrics()
    known_losses()  # a package that adds a loss wrongly ends the start, not the first request

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        runs = used.server_runs_calibrations
        opened = _opened(used, runs=runs)
        # In a thread: starting and stopping wait for databases and for running legs.
        service, engine = await asyncio.to_thread(opened.__enter__)
        sweeping = asyncio.create_task(_sweep_again_and_again(service))
        try:
            yield {
                "service": service,
                "engine": engine,
                "events": EventHub(service.store, is_stopping),
                "settings": used,
            }
        finally:
            sweeping.cancel()
            await asyncio.to_thread(opened.__exit__, None, None, None)

    app = FastAPI(
        title="Softmax Advisor",
        summary="Which Softmax-family loss to train with, what it costs, and how sure that is.",
        version=version("softmax-advisor"),
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(permitted)],
        middleware=stack(used, address, metrics),
        telemetry=TRACES,
        docs_url=None,
        redoc_url=None,
    )
    app.state.metrics = metrics
    problems.install(app)
    for resource in (
        recommendations,
        calibrations,
        ask_tell,
        events,
        trials,
        profiles,
        tasks,
        uploads,
        devices,
        workers,
        samples,
        losses,
        docs,
        web,
        metrics_page,
        health,
    ):
        app.include_router(resource.router)
    described = partial(problems.described, app.openapi)
    refusals = problems.responses(401, 403, 413, 429, 500, 503)
    app.openapi = partial(with_examples, partial(auth.described, described, refusals))
    return app


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve HTTP until a signal; a calibration that runs then goes on at the next start.

    Raises ValueError, StoreOutdatedError, SlotTakenError or NoKeyError if it cannot start.
    """
    _check_can_start(settings, address=host)
    app = create_app(settings, address=host, is_stopping=lambda: server.should_exit)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_config=logging_config(settings),
        server_header=False,
    )
    server = _Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)  # its log says why


def run_worker(settings: Settings) -> None:
    """Run queued calibrations of this tag on this device until SIGTERM or SIGINT.

    Raises ValueError, StoreOutdatedError or SlotTakenError if it cannot start.
    """
    if settings.log_format == "json":
        logging.config.dictConfig(logging_config(settings))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _opened(settings, runs=True):
        stop.wait()
        _end_soon()


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _end_soon()
        await super().shutdown(sockets)


def _end_soon() -> None:
    """End this process if it has not ended by then; what ran goes on at the next start."""

    def end() -> None:
        _log.warning("not stopped within %.0f s: is the database frozen?", STOP_SECONDS)
        os._exit(1)

    timer = threading.Timer(STOP_SECONDS, end)
    timer.daemon = True
    timer.start()


def upgrade_database(settings: Settings) -> None:
    """Bring our tables and the engine's to the newest version."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    upgrade_engine(settings)


async def _sweep_again_and_again(service: Service) -> None:
    while True:
        try:
            await asyncio.to_thread(uploads_story.sweep, service)
            await asyncio.to_thread(once.sweep, service)
        except Exception as error:  # an outage of the database: the next time finds it again
            _log.warning("what is old was not swept away: %s", error)
        await asyncio.sleep(SWEEP_SECONDS)


def _check_can_start(settings: Settings, address: str) -> None:
    """Fail here, in one sentence, rather than inside the server with a traceback."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with closing(open_store(settings.database_url)) as store:
        if needs_key(settings, address) and not store.access.has_valid():
            where = address or "every address"
            raise NoKeyError(
                f"a server on {where} lets in only who has a key, and there is no valid one; "
                "make one: softmax-advisor keys create --scope calibrate"
            )
    if settings.server_runs_calibrations:
        taken_slot(settings).close()


@contextmanager
def _opened(settings: Settings, *, runs: bool) -> Iterator[tuple[Service, Engine]]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(impatient_url(settings))
    try:
        service = service_of(settings, store)
        with running_engine(settings, service, runs=runs) as engine:
            yield service, engine
    finally:
        store.close()


def service_of(settings: Settings, store: Store) -> Service:
    """What the stories of a server or a worker work with."""
    return Service(
        store=store,
        workspace=settings.workspace(),
        data_root=settings.data_dir,
        budget_seconds_max=settings.budget_seconds_max,
        n_open_max=settings.calibrations_max,
        uploads=settings.upload_limits(),
        money_per_hour=settings.money_per_hour,
    )


def impatient_url(settings: Settings) -> str:
    """The database's URL, so that PostgreSQL ends the transaction of a process that has frozen.

    Otherwise its locks would keep whoever is taken to replace it waiting for as long.
    """
    url = parse_url(settings.database_url)
    if settings.is_sqlite or "options" in url.query:
        return settings.database_url
    milliseconds = round(1000 * settings.dead_after_seconds / 2)
    timeout = {"options": f"-c idle_in_transaction_session_timeout={milliseconds}"}
    return url.update_query_dict(timeout).render_as_string(hide_password=False)


def _operation_id(route: APIRoute) -> str:
    return route.name
