"""Ask and tell: the legs of a calibration that trainers elsewhere run."""

from typing import Annotated

from fastapi import APIRouter, Body, Header

from advisor.ask_tell import Asked, Asking, Telling, Told
from api.problems import responses
from api.routes.context import Id, Tenant, TheService
from api.stories import ask_tell

router = APIRouter(prefix="/v1", tags=["ask and tell"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern=r"^[\x21-\x7e]*$",
        description="who asks again with the same key is given the same lease",
    ),
]


@router.post("/calibrations/{calibration_id}/trials:ask", responses=responses(404, 409, 422))
def ask_trial(
    calibration_id: Id,
    service: TheService,
    tenant: Tenant,
    asking: Annotated[Asking, Body()] = Asking(),  # noqa: B008 - frozen, so shared safely
    idempotency_key: Key = None,
) -> Asked:
    """Lease the next leg of a calibration whose `executor` is `external`."""
    return ask_tell.ask(service, tenant, calibration_id, asking, idempotency_key or None)


@router.post("/trials/{trial_id}:tell", responses=responses(404, 409, 422))
def tell_trial(trial_id: Id, service: TheService, tenant: Tenant, telling: Telling) -> Told:
    """Tell what a leased leg measured; without measurements it keeps the lease."""
    return ask_tell.tell(service, tenant, trial_id, telling)
