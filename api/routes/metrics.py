"""/metrics: how the service is doing, for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from api.auth import needs
from api.routes.context import TheMetrics, TheService, TheSettings

router = APIRouter(tags=["health"])


class Exposition(PlainTextResponse):
    """The text format of Prometheus."""

    media_type = CONTENT_TYPE_PLAIN_1_0_0


@router.get("/metrics", response_class=Exposition, openapi_extra=needs("admin"))
def get_metrics(service: TheService, metrics: TheMetrics, settings: TheSettings) -> Exposition:
    """Request seconds, queue depth, leg seconds and workers, over all tenants."""
    return Exposition(metrics.page(service.store, settings.dead_after_seconds))
