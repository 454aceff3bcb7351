"""/v1/devices: what something was measured on."""

from fastapi import APIRouter

from advisor.errors import NotFoundError
from advisor.evidence import Device
from api.problems import responses
from api.routes.context import Id, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing

router = APIRouter(prefix="/v1/devices", tags=["devices"], route_class=ResourceRoute)


@router.get("")
def list_devices(service: TheService, tenant: Tenant) -> Listing[Device]:
    """The devices of workers, of your measurements and of shared ones, newest first."""
    return Listing[Device](items=tuple(service.store.evidence.devices(tenant)))


@router.get("/{device_id}", responses=responses(404, 422))
def get_device(device_id: Id, service: TheService, tenant: Tenant) -> Device:
    """One device: its hardware and software."""
    for device in service.store.evidence.devices(tenant):
        if device.id == device_id:
            return device
    raise NotFoundError(f"no device {device_id!r}")
