"""/v1/samples: the sample tasks; only the command line fetches their data."""

from fastapi import APIRouter

from advisor.errors import NotFoundError
from api.problems import responses
from api.routes.context import Id, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing, SampleTask
from api.stories.samples import task_to_send
from profiler.samples import samples

router = APIRouter(prefix="/v1/samples", tags=["samples"], route_class=ResourceRoute)


@router.get("")
def list_samples(service: TheService) -> Listing[SampleTask]:
    """The sample tasks; `softmax-advisor samples --fetch` fetches the data of one."""
    known = samples().values()
    found = (SampleTask.of(sample, task_to_send(sample, service.data_root)) for sample in known)
    return Listing[SampleTask](items=tuple(found))


@router.get("/{sample}", responses=responses(404, 422))
def get_sample(sample: Id, service: TheService) -> SampleTask:
    """One sample task: its size, licence and origin."""
    known = samples()
    if sample not in known:
        raise NotFoundError(f"no sample {sample!r}; there are {', '.join(known)}")
    return SampleTask.of(known[sample], task_to_send(known[sample], service.data_root))
