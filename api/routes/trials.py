"""/v1/trials: what a calibration trained, and what came of it."""

from fastapi import APIRouter

from advisor.calibration import TrialRecord
from advisor.evidence import Measurement
from api.problems import responses
from api.routes.context import Filter, Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing

router = APIRouter(prefix="/v1/trials", tags=["trials"], route_class=ResourceRoute)


@router.get("", responses=responses(422))
def list_trials(
    service: TheService,
    tenant: Tenant,
    calibration_id: Filter = None,
    loss: Filter = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Listing[TrialRecord]:
    """Trials, newest first."""
    page = service.store.calibrations.trials(tenant, calibration_id, loss, page_size, page_token)
    return Listing[TrialRecord].of(page)


@router.get("/{trial_id}", responses=responses(404, 422))
def get_trial(trial_id: Id, service: TheService, tenant: Tenant) -> TrialRecord:
    """One trial."""
    return service.store.calibrations.trial(tenant, trial_id)


@router.get("/{trial_id}/measurements", responses=responses(404, 422))
def list_measurements(trial_id: Id, service: TheService, tenant: Tenant) -> Listing[Measurement]:
    """The trial's curve from its start; all of it on one page."""
    points = service.store.calibrations.measurements(tenant, trial_id)
    return Listing[Measurement](items=tuple(points))
