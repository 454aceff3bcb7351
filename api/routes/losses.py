"""/v1/losses and /v1/samples: the catalogue, each loss's source, and the sample tasks."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from advisor.catalogue import known_losses
from api.problems import responses
from api.routes.context import Id
from api.schemas import Listing, Loss, SampleTask
from api.stories import browse
from profiler.samples import samples

router = APIRouter(prefix="/v1", tags=["catalogue"])


class PythonSource(PlainTextResponse):
    """The text of a Python file."""

    media_type = "text/x-python"


@router.get("/losses")
def list_losses() -> Listing[Loss]:
    """Every loss of the catalogue, by name."""
    return Listing[Loss](items=tuple(map(Loss.of, known_losses().values())))


@router.get("/losses/{name}", responses=responses(404, 422))
def get_loss(name: Id) -> Loss:
    """What theory says of a loss, each claim with its source."""
    return Loss.of(browse.loss(name))


@router.get(
    "/losses/{name}/source",
    response_class=PythonSource,
    responses=responses(404, 422),
)
def get_loss_source(name: Id) -> PythonSource:
    """The loss's layer as one Python file that needs nothing but torch."""
    return PythonSource(browse.source(name))


@router.get("/samples")
def list_samples() -> Listing[SampleTask]:
    """The sample tasks; `softmax-advisor demo` fetches one."""
    return Listing[SampleTask](items=tuple(map(SampleTask.of, samples().values())))
