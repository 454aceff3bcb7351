"""/v1/profiles: what was measured, and what was told of full training."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from advisor.evidence import Profile
from api.auth import needs
from api.problems import responses
from api.routes.context import Filter, Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing, ProfileMark
from store.evidence import ProfileFilter

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], route_class=ResourceRoute)
Count = Annotated[int | None, Query(ge=1, le=2**53)]


@router.get("", responses=responses(422))
def list_profiles(
    service: TheService,
    tenant: Tenant,
    loss: Filter = None,
    task: Filter = None,
    kind: Filter = None,
    device: Filter = None,
    metric: Filter = None,
    n_classes_min: Count = None,
    n_classes_max: Count = None,
    source: Literal["calibration", "outcome"] | None = None,
    bad: bool | None = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Listing[Profile]:
    """Profiles, newest first; `task` is a task's name, `device` a device's id."""
    wanted = ProfileFilter(
        loss=loss,
        task_name=task,
        kind=kind,
        device_id=device,
        metric=metric,
        n_classes_min=n_classes_min,
        n_classes_max=n_classes_max,
        source=source,
        bad=bad,
    )
    page = service.store.evidence.profiles(tenant, wanted, page_size, page_token)
    return Listing[Profile].of(page)


@router.get("/{profile_id}", responses=responses(404, 422))
def get_profile(profile_id: Id, service: TheService, tenant: Tenant) -> Profile:
    """One profile, with its curve."""
    return service.store.evidence.profile(tenant, profile_id)


@router.post("/{profile_id}:share", responses=responses(404, 422), openapi_extra=needs("admin"))
def share_profile(profile_id: Id, service: TheService, tenant: Tenant) -> Profile:
    """Let all tenants read this profile, and their answers rest on it."""
    return service.store.evidence.share(tenant, profile_id, shared=True)


@router.post("/{profile_id}:unshare", responses=responses(404, 422), openapi_extra=needs("admin"))
def unshare_profile(profile_id: Id, service: TheService, tenant: Tenant) -> Profile:
    """Keep this profile to its tenant again; answers that were given with it stay."""
    return service.store.evidence.share(tenant, profile_id, shared=False)


@router.patch("/{profile_id}", responses=responses(404, 422))
def mark_profile(profile_id: Id, body: ProfileMark, service: TheService, tenant: Tenant) -> Profile:
    """Mark a profile of yours as bad, so that no later answer rests on it, or take that back."""
    return service.store.evidence.mark_bad(tenant, profile_id, bad=body.bad)


@router.delete("/{profile_id}", status_code=204, responses=responses(404, 422))
def delete_profile(profile_id: Id, service: TheService, tenant: Tenant) -> None:
    """Delete a profile of yours; later calibrations measure its candidate anew."""
    service.store.evidence.delete_profile(tenant, profile_id)
