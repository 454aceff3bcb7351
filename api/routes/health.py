"""/healthz and /readyz: whether this process lives, and whether it can serve."""

import anyio
import anyio.to_thread
from fastapi import APIRouter

from api.jobs import Engine, EngineNotReadyError
from api.problems import responses
from api.routes.context import TheEngine, TheService
from api.schemas import Health
from api.stories.service import Service

router = APIRouter(tags=["health"])

PATIENCE_SECONDS = 5.0
"""A database that takes longer to answer is as good as silent."""


@router.get("/healthz")
async def healthz() -> Health:
    """This process answers."""
    return Health()


@router.get("/readyz", responses=responses(503))
async def readyz(service: TheService, engine: TheEngine) -> Health:
    """The database and the engine answer too."""
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            await anyio.to_thread.run_sync(_ask, service, engine, abandon_on_cancel=True)
    except TimeoutError as error:
        sentence = f"the database does not answer within {PATIENCE_SECONDS:.0f} s"
        raise EngineNotReadyError(sentence) from error
    return Health()


def _ask(service: Service, engine: Engine) -> None:
    try:
        service.store.ping()
    except Exception as error:
        raise EngineNotReadyError("the database does not answer") from error
    engine.check_ready()
