"""/v1/profiles: what was measured, and what was told of full training."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from advisor.evidence import Profile
from advisor.shipped import shipped_profile, shipped_profiles
from api.auth import needs
from api.problems import responses
from api.routes.accepted import JSON, best_accepted
from api.routes.context import Filter, Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing, ProfileMark
from api.stories import export
from api.stories.service import Service
from store.profile_listing import ProfileFilter, ProfileSort

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], route_class=ResourceRoute)
_CSV, _PARQUET = "text/csv", "application/vnd.apache.parquet"
_TABLES: dict[str, dict[str, Any]] = {
    _CSV: {"schema": {"type": "string"}},
    _PARQUET: {"schema": {"type": "string", "format": "binary"}},
}
Accept = Annotated[str, Header(include_in_schema=False, max_length=1000)]
Count = Annotated[int | None, Query(ge=1, le=2**53)]


@router.get(
    "",
    responses={200: {"content": _TABLES}, **responses(406, 422, 507)},
    response_model=Listing[Profile],
)
def list_profiles(
    service: TheService,
    tenant: Tenant,
    response: Response,
    loss: Filter = None,
    task: Filter = None,
    kind: Filter = None,
    device: Filter = None,
    metric: Filter = None,
    n_classes_min: Count = None,
    n_classes_max: Count = None,
    source: Literal["calibration", "outcome"] | None = None,
    bad: bool | None = None,
    sort: ProfileSort = "-created_at",
    page_size: PageSize = 50,
    page_token: PageToken = None,
    accept: Accept = "",
) -> Listing[Profile] | Response:
    """Profiles; `task` is a task's name, `device` a device's id.

    Filters may be combined; those alone, and task with loss, loss with metric, and kind with metric
    are answered from an index however many profiles there are. A sort by a number leaves out the
    profiles that have no such number.

    With `Accept: text/csv` or `application/vnd.apache.parquet` all that match come as one table,
    without pages.
    """
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
    chosen = best_accepted(accept, (JSON, *_TABLES))
    if chosen == JSON:
        response.headers["Vary"] = "Accept"
        page = service.store.evidence.profiles(tenant, wanted, page_size, page_token, sort)
        return Listing[Profile].of(page)
    return _table(service, export.every_profile(service, tenant, wanted, sort), chosen)


@router.get(":shipped", responses=responses(422))
def list_shipped_profiles(
    loss: Filter = None, task: Filter = None, kind: Filter = None, metric: Filter = None
) -> Listing[Profile]:
    """The profiles that came with the program, on one page: ours, of real tasks, the same for all.

    The first answers rest on them.
    """
    wanted = {"task_name": task, "kind": kind, "metric": metric}
    found = tuple(
        profile
        for profile in shipped_profiles()
        if loss in (None, profile.candidate.loss)
        and all(value in (None, getattr(profile, name)) for name, value in wanted.items())
    )
    return Listing[Profile](items=found)


@router.get("/{profile_id}", responses=responses(404, 422))
def get_profile(profile_id: Id, service: TheService, tenant: Tenant) -> Profile:
    """One profile, with its curve; also one that came with the program, as answers name it."""
    return shipped_profile(profile_id) or service.store.evidence.profile(tenant, profile_id)


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


def _table(service: Service, profiles: Iterator[Profile], media_type: str) -> Response:
    """All of them as a table that a browser saves."""
    ending = "csv" if media_type == _CSV else "parquet"
    headers = {"Content-Disposition": f'attachment; filename="profiles.{ending}"', "Vary": "Accept"}
    if media_type == _CSV:
        return StreamingResponse(export.as_csv(profiles), headers=headers, media_type=_CSV)
    pieces = export.as_parquet(service, profiles)
    return StreamingResponse(pieces, headers=headers, media_type=_PARQUET)
