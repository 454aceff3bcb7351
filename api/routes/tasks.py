"""/v1/tasks: tasks kept under an id, and what their data holds."""

from fastapi import APIRouter, Response

from advisor.summary import DataSummary
from api.problems import responses
from api.routes.context import Filter, Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing, NewTask
from api.stories import tasks
from store.tasks import StoredTask

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=ResourceRoute)


@router.post("", status_code=201, responses=responses(422))
def create_task(
    body: NewTask, service: TheService, tenant: Tenant, response: Response
) -> StoredTask:
    """Keep a task; recommendations and calibrations may name it by its id (`task_id`)."""
    stored = tasks.keep(service, body.task, tenant)
    response.headers["Location"] = f"/v1/tasks/{stored.id}"
    return stored


@router.get("", responses=responses(422))
def list_tasks(
    service: TheService,
    tenant: Tenant,
    name: Filter = None,
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> Listing[StoredTask]:
    """Stored tasks, newest first; `name` is a task's whole name."""
    return Listing[StoredTask].of(service.store.tasks.list(tenant, name, page_size, page_token))


@router.get("/{task_id}", responses=responses(404, 422))
def get_task(task_id: Id, service: TheService, tenant: Tenant) -> StoredTask:
    """One stored task."""
    return service.store.tasks.get(tenant, task_id)


@router.delete("/{task_id}", status_code=204, responses=responses(404, 422))
def delete_task(task_id: Id, service: TheService, tenant: Tenant) -> None:
    """Forget a task; its answers and calibrations stay."""
    service.store.tasks.delete(tenant, task_id)


@router.get("/{task_id}/summary", responses=responses(404, 422))
def get_task_summary(task_id: Id, service: TheService, tenant: Tenant) -> DataSummary:
    """What the task's data holds: sizes, skew, split, and what was guessed or dropped and why."""
    return tasks.summary(service, tenant, task_id)
