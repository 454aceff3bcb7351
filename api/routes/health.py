"""/healthz and /readyz: whether this process lives, and whether it can serve."""

from fastapi import APIRouter

from api.jobs import EngineNotReadyError
from api.problems import responses
from api.routes.context import TheEngine, TheService
from api.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """This process answers."""
    return Health()


@router.get("/readyz", responses=responses(503))
def readyz(service: TheService, engine: TheEngine) -> Health:
    """The database and the engine answer too."""
    try:
        service.store.ping()
    except Exception as error:
        raise EngineNotReadyError("the database does not answer") from error
    engine.check_ready()
    return Health()
