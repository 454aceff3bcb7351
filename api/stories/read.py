"""What a task's data holds, and whether a task can be served at all, before anything is spent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from advisor.calibration import Prepared
from advisor.errors import DataInvalidError, TaskInvalidError
from advisor.search_space import candidates, possible
from advisor.task import COUNT_MAX, Task, TaskStatistics
from api.stories import samples, uploads
from api.stories.service import LOCAL, Service
from profiler.dataset import resolve_inside
from profiler.prepare import prepare
from profiler.readers import format_of
from profiler.readers.table import check_is_file
from profiler.workspace import Workspace

READ_AT_ONCE_BYTES = 64 * 2**20
# What the service itself puts into the data folder; some of it is made of others' data.
_OWN_FOLDERS = ("datasets", "devices", "exports", "states", "tenants", "uploads", "workers")
_OWN_FILES = ("advisor.sqlite", "engine.sqlite")
# Before the data is read: no number of negatives is above so many classes.
_ANY_SIZE = TaskStatistics(n_rows=1, n_classes=COUNT_MAX, n_examples=1)


class Located(NamedTuple):
    """A task whose paths are those of this machine, and where its dataset is cached."""

    task: Task
    workspace: Workspace


def check_task(service: Service, task: Task, tenant: str = LOCAL) -> None:
    """Raise for what is wrong with a task that shall be calibrated.

    A small file is read to its end here (and cached for the calibration), and what depends on its
    number of classes is checked; of a large one only the path, the format and the first byte are
    looked at.
    """
    check_words(task)
    if task.kind == "description":
        return
    with located(service, task, tenant) as here:
        assert here.task.data is not None
        n_bytes = Path(here.task.data.path).stat().st_size
    if n_bytes <= READ_AT_ONCE_BYTES:
        prepared = read(service, task, tenant)
        candidates(prepared.task, prepared.statistics)


def check_budget(service: Service, budget_seconds: float) -> None:
    """Raise TaskInvalidError for a budget that cannot be served."""
    if not 0 < budget_seconds <= service.budget_seconds_max:
        raise TaskInvalidError(
            f"budget_seconds: {budget_seconds:g} is not above 0 "
            f"and at most {service.budget_seconds_max:g}"
        )


def check_words(task: Task) -> None:
    """Raise for unknown losses and settings, where no loss can do what is asked by its card, and
    for text that no database can hold."""
    if r"\u0000" in task.model_dump_json():
        raise TaskInvalidError("task: the character NUL is not allowed in a text")
    possible(task, candidates(task, task.statistics or _ANY_SIZE))


def read(service: Service, task: Task, tenant: str = LOCAL) -> Prepared:
    """The task's data, read once and cached; the task inside is the one given (`as_given`).

    Raises TaskInvalidError or DataInvalidError.
    """
    with located(service, task, tenant) as here:
        prepared = prepare(here.task, here.workspace)
    return prepared.model_copy(update={"task": as_given(task, prepared.task)})


def known_data(service: Service, task: Task, tenant: str = LOCAL) -> Prepared:
    """The same where only what is known of the data is wanted, and no dataset to train on.

    It is remembered until a file changes. Raises the same.
    """
    with located(service, task, tenant) as here:
        key = (here.task.model_dump_json(), stamp(here.task))
        prepared = service.prepared.get(key, lambda: prepare(here.task, here.workspace))
    return prepared.model_copy(update={"task": as_given(task, prepared.task)})


def stamp(task: Task) -> str:
    """Changes when a file of the task does; a description's data never changes."""
    files = [task.data.path, task.data.labels] if task.data else []
    found = [Path(file).stat() for file in files if file is not None]
    return " ".join(f"{stat.st_size}-{stat.st_mtime_ns}" for stat in found)


def as_given(task: Task, prepared: Task) -> Task:
    """The task given, with the model that its data asks for."""
    return task.model_copy(update={"model": prepared.model})


@contextmanager
def located(service: Service, task: Task, tenant: str = LOCAL) -> Iterator[Located]:
    """The task with the paths of its data on this machine; raises DataInvalidError outside.

    What is raised inside names the files as the task given does.
    """
    if task.kind == "description":  # its data is drawn, not read
        yield Located(task, service.workspace)
        return
    given = task.data
    if given is None:
        raise TaskInvalidError(
            f"data: kind {task.kind!r} needs data; with statistics alone it is for trainers "
            "elsewhere (executor external)"
        )
    path = _file(service, tenant, given.path)
    labels = None if given.labels is None else _file(service, tenant, given.labels)
    names = {"path": str(path), "labels": None if labels is None else str(labels)}
    data = given.model_copy(update=names)
    try:
        format_of(data)
        check_is_file(path, repr(given.path))
        if labels is not None:
            check_is_file(labels, repr(given.labels))
        yield Located(task.model_copy(update={"data": data}), _workspace(service, path, labels))
    except TaskInvalidError as error:
        text = str(error).replace(str(path), given.path)
        if given.labels is not None:
            text = text.replace(str(labels), given.labels)
        raise type(error)(text) from error


def _workspace(service: Service, *files: Path | None) -> Workspace:
    """What is made of an upload is cached beside it, to go with it."""
    for file in files:
        if file is not None and uploads.is_one(service, file):
            return replace(service.workspace, caches_dir=file.parent / "datasets")
    return service.workspace


def _file(service: Service, tenant: str, path: str) -> Path:
    """Where a path of a task lies; raises DataInvalidError outside of what it may name.

    The files of the data folder are `local`'s; every other tenant has a folder of its own in there.
    """
    if path.startswith(uploads.PREFIX):
        return uploads.named(service, tenant, path)
    root = service.data_root
    if root is None:
        return Path(path)
    if path.startswith(samples.PREFIX):
        return samples.named(path, root)
    if tenant != LOCAL:
        return resolve_inside(path, root / "tenants" / tenant)
    found = resolve_inside(path, root)
    first = found.relative_to(root.resolve()).parts[:1]
    if first and (first[0] in _OWN_FOLDERS or first[0].startswith(_OWN_FILES)):
        raise DataInvalidError(f"path {path!r} is one of the service's own, not a file of yours")
    return found
