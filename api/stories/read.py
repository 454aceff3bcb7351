"""What a task's data holds, and whether a task can be served at all, before anything is spent."""

from pathlib import Path

from advisor.calibration import Prepared
from advisor.errors import DataInvalidError, TaskInvalidError
from advisor.search_space import candidates
from advisor.task import Task, TaskStatistics
from api.stories.service import Service
from profiler.dataset import resolve_inside
from profiler.prepare import prepare
from profiler.readers import format_of
from profiler.readers.interactions import check_is_file

READ_AT_ONCE_BYTES = 64 * 2**20
_ANY_SIZE = TaskStatistics(n_rows=1, n_classes=2, n_examples=1)


def check_task(service: Service, task: Task) -> None:
    """Raise for what is wrong with a task: losses, settings, path, data.

    A small file is read to its end here (and cached for the calibration); of a large one only
    the path, the format and the first byte are looked at.
    """
    check_words(task)
    if task.data is None:
        raise TaskInvalidError(
            f"data: kind {task.kind!r} has nothing to train on; a calibration needs kind "
            "'interactions' with data"
        )
    path = Path(_data_path(service, task))
    format_of(task.data)
    check_is_file(path, repr(task.data.path))
    if path.stat().st_size <= READ_AT_ONCE_BYTES:
        read(service, task)


def check_words(task: Task) -> None:
    """Raise for unknown losses and settings, and for text that no database can hold."""
    if r"\u0000" in task.model_dump_json():
        raise TaskInvalidError("task: the character NUL is not allowed in a text")
    candidates(task, task.statistics or _ANY_SIZE)


def read(service: Service, task: Task) -> Prepared:
    """The task's data, read once and cached; the task inside is the one given.

    Raises TaskInvalidError or DataInvalidError, which name the file as the task does.
    """
    here = located(service, task)
    try:
        prepared = prepare(here, service.workspace)
    except TaskInvalidError as error:
        raise type(error)(_as_given(str(error), here, task)) from error
    return prepared.model_copy(update={"task": task})


def located(service: Service, task: Task) -> Task:
    """The task with the path of its data on this machine; raises DataInvalidError outside."""
    if task.data is None or service.data_root is None:
        return task
    data = task.data.model_copy(update={"path": _data_path(service, task)})
    return task.model_copy(update={"data": data})


def _data_path(service: Service, task: Task) -> str:
    if task.data is None:
        raise DataInvalidError(f"data: kind {task.kind!r} names no file")
    if service.data_root is None:
        return task.data.path
    return str(resolve_inside(task.data.path, service.data_root))


def _as_given(text: str, here: Task, task: Task) -> str:
    if here.data is None or task.data is None:
        return text
    return text.replace(here.data.path, task.data.path)
