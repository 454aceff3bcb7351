"""The story of a task kept under an id: put there, named instead of sent again, its data looked at.

What its data holds is read in a child and kept with the task until the file changes.
"""

from advisor.summary import DataSummary
from advisor.task import Task
from api.stories.read import check_words, located, stamp
from api.stories.service import Service
from profiler.prepare import summarise
from store.tasks import StoredTask


def keep(service: Service, task: Task, tenant: str) -> StoredTask:
    """Keep a task; raises for one that cannot be served by its words or the looks of its files."""
    check_words(task)
    with located(service, task, tenant):
        pass
    return service.store.tasks.save(task, tenant)


def named(service: Service, tenant: str, task: Task | None, task_id: str | None) -> Task:
    """The task that a request gives, itself or by its id; raises NotFoundError."""
    if task is not None:
        return task
    return service.store.tasks.get(tenant, str(task_id)).task


def summary(service: Service, tenant: str, task_id: str) -> DataSummary:
    """What the task's data holds; read again only when its files have changed.

    Raises NotFoundError, TaskInvalidError, DataInvalidError.
    """
    tasks = service.store.tasks
    task = tasks.get(tenant, task_id).task
    with located(service, task, tenant) as here:
        stamped = stamp(here.task)
        known = tasks.summary(tenant, task_id, stamped)
        if known is not None:
            return known
        found = summarise(here.task, here.workspace)
    tasks.keep_summary(task_id, stamped, found)
    return found
