"""/v1/losses: the catalogue, and each loss's source."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from advisor.catalogue import known_losses
from api.problems import responses
from api.routes.context import Id
from api.routes.resource import ResourceRoute
from api.schemas import Listing, Loss
from api.stories import browse

router = APIRouter(prefix="/v1/losses", tags=["losses"], route_class=ResourceRoute)


class PythonSource(PlainTextResponse):
    """The text of a Python file."""

    media_type = "text/x-python"


@router.get("")
def list_losses() -> Listing[Loss]:
    """Every loss of the catalogue, by name."""
    return Listing[Loss](items=tuple(map(Loss.of, known_losses().values())))


@router.get("/{name}", responses=responses(404, 422))
def get_loss(name: Id) -> Loss:
    """What theory says of a loss, each claim with its source."""
    return Loss.of(browse.loss(name))


@router.get(
    "/{name}/source",
    response_class=PythonSource,
    responses=responses(404, 422),
)
def get_loss_source(name: Id) -> PythonSource:
    """The loss's layer as one Python file that needs nothing but torch."""
    return PythonSource(browse.source(name))
