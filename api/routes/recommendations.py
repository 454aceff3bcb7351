"""/v1/recommendations: an answer at once, and answers given before."""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from advisor.outcome import FullTraining
from advisor.recommendation import Recommendation, Verdict
from api.auth import needs
from api.problems import responses
from api.report import render_report
from api.routes.accepted import JSON
from api.routes.context import Filter, Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute, TheOnce
from api.schemas import Listing, PreviewRequest, RecommendationRequest
from api.stories import outcomes, tasks
from api.stories.recommend import answer_again, answer_now, recommend_as_text
from store.outcomes import StoredOutcome
from store.recommendations import AnswerFilter, AnswerLine

router = APIRouter(
    prefix="/v1/recommendations", tags=["recommendations"], route_class=ResourceRoute
)


@router.post(
    "",
    status_code=201,
    response_model=Recommendation,
    responses=responses(404, 422),
    openapi_extra=needs("read"),
)
def create_recommendation(
    body: RecommendationRequest, service: TheService, tenant: Tenant, once: TheOnce
) -> Response:
    """Answer a task from theory and stored profiles, without training anything."""
    task = tasks.named(service, tenant, body.task, body.task_id)
    once_id = None if once is None else once.id
    id_, answer = recommend_as_text(
        service, task, tenant=tenant, device_id=body.device, answer_id=once_id
    )
    return Response(answer, 201, {"Location": f"/v1/recommendations/{id_}"}, JSON)


@router.post(
    ":preview",
    response_model=Recommendation,
    responses=responses(404, 422),
    openapi_extra=needs("read"),
)
def preview_recommendation(body: PreviewRequest, service: TheService, tenant: Tenant) -> Response:
    """What an answer would be at another horizon or trade, or of a new task; nothing is kept."""
    if body.recommendation_id is None:
        assert body.task is not None
        answer = answer_now(service, body.task, tenant=tenant)
    else:
        answer = answer_again(service, tenant, body.recommendation_id, body.horizon, body.trade)
    return Response(answer, media_type=JSON)


@router.get("", responses=responses(422))
def list_recommendations(
    service: TheService,
    tenant: Tenant,
    task: Filter = None,
    loss: Filter = None,
    verdict: Verdict | None = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Listing[AnswerLine]:
    """Answers given, newest first, a line each; `task` is a task's name."""
    wanted = AnswerFilter(task_name=task, loss=loss, verdict=verdict)
    page = service.store.recommendations.list(tenant, wanted, page_size, page_token)
    return Listing[AnswerLine].of(page)


@router.get("/{recommendation_id}", responses=responses(404, 422))
def get_recommendation(
    recommendation_id: Id, service: TheService, tenant: Tenant
) -> Recommendation:
    """An answer, exactly as it was given."""
    return service.store.recommendations.get(tenant, recommendation_id)


@router.get(
    "/{recommendation_id}/report", response_class=HTMLResponse, responses=responses(404, 422)
)
def get_report(recommendation_id: Id, service: TheService, tenant: Tenant) -> HTMLResponse:
    """An answer as one HTML file to keep, which needs neither network nor server."""
    answer = service.store.recommendations.get(tenant, recommendation_id)
    devices = service.store.evidence.devices(tenant)
    device = next((found for found in devices if found.id == answer.device_id), None)
    name = f"softmax-advisor-{answer.id}.html"
    return HTMLResponse(
        render_report(answer, device),
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.post("/{recommendation_id}/outcome", status_code=201, responses=responses(404, 422))
def create_outcome(
    recommendation_id: Id, body: FullTraining, service: TheService, tenant: Tenant
) -> StoredOutcome:
    """Tell what full training gave: it becomes a profile, and later answers rest on it too.

    By default with the recommended loss and settings; once for each that was trained.
    """
    return outcomes.tell(service, tenant, recommendation_id, body)


@router.get("/{recommendation_id}/outcome", responses=responses(404, 422))
def list_outcomes(
    recommendation_id: Id, service: TheService, tenant: Tenant
) -> Listing[StoredOutcome]:
    """All that was told of an answer, newest first, on one page."""
    return Listing[StoredOutcome](items=outcomes.told(service, tenant, recommendation_id))
