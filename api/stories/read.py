"""What a task's data holds, and whether a task can be served at all, before anything is spent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.search_space import candidates, possible
from advisor.task import DataSource, Task, TaskStatistics
from api.stories.service import Service
from profiler.dataset import resolve_inside
from profiler.prepare import prepare
from profiler.readers import format_of
from profiler.readers.table import check_is_file

READ_AT_ONCE_BYTES = 64 * 2**20
# Before the data is read: no number of negatives is above so many classes.
_ANY_SIZE = TaskStatistics(n_rows=1, n_classes=2**62, n_examples=1)


def check_task(service: Service, task: Task) -> None:
    """Raise for what is wrong with a task that shall be calibrated.

    A small file is read to its end here (and cached for the calibration), and what depends on its
    number of classes is checked; of a large one only the path, the format and the first byte are
    looked at.
    """
    check_words(task)
    if task.kind == "description":
        return
    if _found(service, _data(task)).stat().st_size <= READ_AT_ONCE_BYTES:
        prepared = read(service, task)
        candidates(prepared.task, prepared.statistics)


def check_words(task: Task) -> None:
    """Raise for unknown losses and settings, where no loss can do what is asked by its card, and
    for text that no database can hold."""
    if r"\u0000" in task.model_dump_json():
        raise TaskInvalidError("task: the character NUL is not allowed in a text")
    possible(task, candidates(task, task.statistics or _ANY_SIZE))


def read(service: Service, task: Task) -> Prepared:
    """The task's data, read once and cached; the task inside is the one given (`as_given`).

    Raises TaskInvalidError or DataInvalidError.
    """
    with located(service, task) as here:
        prepared = prepare(here, service.workspace)
    return prepared.model_copy(update={"task": as_given(task, prepared.task)})


def as_given(task: Task, prepared: Task) -> Task:
    """The task given, with the model that its data asks for."""
    return task.model_copy(update={"model": prepared.model})


@contextmanager
def located(service: Service, task: Task) -> Iterator[Task]:
    """The task with the paths of its data on this machine; raises DataInvalidError outside.

    What is raised inside names the files as the task given does.
    """
    if task.kind == "description":  # its data is drawn, not read
        yield task
        return
    given = _data(task)
    path = str(_found(service, given))
    labels = None if given.labels is None else str(_inside(service, given.labels))
    data = given.model_copy(update={"path": path, "labels": labels})
    try:
        yield task.model_copy(update={"data": data})
    except TaskInvalidError as error:
        text = str(error).replace(path, given.path)
        if labels is not None and given.labels is not None:
            text = text.replace(labels, given.labels)
        raise type(error)(text) from error


def _data(task: Task) -> DataSource:
    if task.data is None:
        raise TaskInvalidError(f"data: kind {task.kind!r} needs data")
    return task.data


def _found(service: Service, data: DataSource) -> Path:
    """The file, if it is one that can be read by its looks."""
    path = _inside(service, data.path)
    format_of(data)
    check_is_file(path, repr(data.path))
    if data.labels is not None:
        check_is_file(_inside(service, data.labels), repr(data.labels))
    return path


def _inside(service: Service, path: str) -> Path:
    """Where a path of a task lies; raises DataInvalidError outside of the data folder."""
    if service.data_root is None:
        return Path(path)
    return resolve_inside(path, service.data_root)
