"""/v1/workers: who trains, on which device, and what."""

from fastapi import APIRouter

from api.routes.context import Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing
from store.workers import WorkerState

router = APIRouter(prefix="/v1/workers", tags=["workers"], route_class=ResourceRoute)


@router.get("")
def list_workers(service: TheService, tenant: Tenant) -> Listing[WorkerState]:
    """The workers that live, by id: tag, device slot, heartbeat, and the leg they train for you."""
    return Listing[WorkerState](items=service.store.workers.states(tenant))
