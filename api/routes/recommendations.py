"""/v1/recommendations: an answer at once, and answers given before."""

from fastapi import APIRouter, Response

from advisor.recommendation import Recommendation
from api.auth import needs
from api.problems import responses
from api.routes.context import Id, Tenant, TheService
from api.schemas import RecommendationRequest
from api.stories import tasks
from api.stories.recommend import recommend_now

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"])


@router.post("", status_code=201, responses=responses(404, 422), openapi_extra=needs("read"))
def create_recommendation(
    body: RecommendationRequest, service: TheService, tenant: Tenant, response: Response
) -> Recommendation:
    """Answer a task from theory and stored profiles, without training anything."""
    task = tasks.named(service, tenant, body.task, body.task_id)
    answer = recommend_now(service, task, tenant=tenant, device_id=body.device)
    response.headers["Location"] = f"/v1/recommendations/{answer.id}"
    return answer


@router.get("/{recommendation_id}", responses=responses(404, 422))
def get_recommendation(
    recommendation_id: Id, service: TheService, tenant: Tenant
) -> Recommendation:
    """An answer, exactly as it was given."""
    return service.store.recommendations.get(tenant, recommendation_id)
