"""/v1/calibrations: ask for one, look how it stands, cancel it."""

from fastapi import APIRouter, Response

from advisor.calibration import Calibration, CalibrationStatus
from advisor.plan import Plan
from api.auth import needs
from api.problems import responses
from api.routes.context import Id, PageSize, PageToken, Tenant, TheEngine, TheService, TheSettings
from api.routes.resource import ResourceRoute, TheOnce
from api.schemas import CalibrationRequest, Listing, PlanRequest
from api.stories import ask_tell, calibrate, tasks
from api.stories.plan import plan_budget

router = APIRouter(prefix="/v1/calibrations", tags=["calibrations"], route_class=ResourceRoute)


@router.post("", status_code=202, responses=responses(404, 422))
def create_calibration(
    body: CalibrationRequest,
    service: TheService,
    tenant: Tenant,
    engine: TheEngine,
    settings: TheSettings,
    once: TheOnce,
    response: Response,
) -> Calibration:
    """Queue a calibration; its `recommendation_id` names the answer when it has ended."""
    task = tasks.named(service, tenant, body.task, body.task_id)
    id_ = None if once is None else once.id
    if body.executor == "external":
        trained_on = (body.device, body.data_fingerprint)
        calibration = ask_tell.request(
            service, task, body.budget_seconds, *trained_on, tenant=tenant, id=id_
        )
    else:
        tag = body.device_tag or settings.tag
        engine.check_tag(tag)
        calibration = calibrate.request(
            service, task, body.budget_seconds, tag, tenant=tenant, id=id_
        )
        engine.enqueue(calibration)
    response.headers["Location"] = f"/v1/calibrations/{calibration.id}"
    return calibration


@router.post(":plan", responses=responses(404, 422), openapi_extra=needs("read"))
def plan_calibration(body: PlanRequest, service: TheService, tenant: Tenant) -> Plan:
    """Say what a budget will buy, and the least that is useful; nothing is run or stored."""
    return plan_budget(
        service,
        tasks.named(service, tenant, body.task, body.task_id),
        body.budget_seconds,
        tenant=tenant,
        device_id=body.device,
        elsewhere=body.executor == "external",
        can_pause=body.can_pause,
    )


@router.get("", responses=responses(422))
def list_calibrations(
    service: TheService,
    tenant: Tenant,
    status: CalibrationStatus | None = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Listing[Calibration]:
    """Calibrations, newest first."""
    page = service.store.calibrations.list(tenant, status, page_size, page_token)
    return Listing[Calibration].of(page)


@router.get("/{calibration_id}", responses=responses(404, 422))
def get_calibration(calibration_id: Id, service: TheService, tenant: Tenant) -> Calibration:
    """How a calibration stands."""
    return service.store.calibrations.get(tenant, calibration_id)


@router.post("/{calibration_id}:cancel", responses=responses(404, 422))
def cancel_calibration(calibration_id: Id, service: TheService, tenant: Tenant) -> Calibration:
    """Stop a calibration; it still answers with the best so far."""
    return calibrate.cancel(service, calibration_id, tenant=tenant)
