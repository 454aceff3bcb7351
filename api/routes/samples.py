"""/v1/samples: the sample tasks; only the command line fetches their data."""

from fastapi import APIRouter

from advisor.errors import NotFoundError
from api.problems import responses
from api.routes.context import Id
from api.routes.resource import ResourceRoute
from api.schemas import Listing, SampleTask
from profiler.samples import samples

router = APIRouter(prefix="/v1/samples", tags=["samples"], route_class=ResourceRoute)


@router.get("")
def list_samples() -> Listing[SampleTask]:
    """The sample tasks; `softmax-advisor demo` fetches one."""
    return Listing[SampleTask](items=tuple(map(SampleTask.of, samples().values())))


@router.get("/{sample}", responses=responses(404, 422))
def get_sample(sample: Id) -> SampleTask:
    """One sample task: its size, licence and origin."""
    known = samples()
    if sample not in known:
        raise NotFoundError(f"no sample {sample!r}; there are {', '.join(known)}")
    return SampleTask.of(known[sample])
