"""prepare: read a task's data in a child, once; every later call finds the cached dataset."""

from collections.abc import Callable, Iterator
from typing import Any

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.summary import DataSummary
from advisor.task import Task
from profiler.dataset import PreparedData, prepare_dataset, prepare_twin
from profiler.isolation import ChildFailedError, in_child
from profiler.summary import summarise_dataset
from profiler.workspace import Workspace

_READ_LIMIT_SECONDS = 1800.0


def prepare(task: Task, workspace: Workspace) -> Prepared:
    """What a calibration must know before it spends; raises TaskInvalidError, DataInvalidError."""
    try:
        return prepare_within(task, workspace, _READ_LIMIT_SECONDS, lambda: False)
    except ChildFailedError as error:
        raise TaskInvalidError(f"the data could not be read: {error.detail}") from error


def prepare_within(
    task: Task, workspace: Workspace, limit_seconds: float, should_stop: Callable[[], bool]
) -> Prepared:
    """The same in a limited time; raises ChildFailedError too, `timed_out` or `cancelled`."""
    data: PreparedData = _read("read_in_child", task, workspace, limit_seconds, should_stop)
    task, notes = _as_data_has_it(task, data)
    return Prepared(
        task=task,
        task_fingerprint=task.fingerprint(data.fingerprint),
        statistics=data.statistics,
        device=workspace.device,
        dataset_dir=data.dataset_dir,
        notes=notes,
    )


def summarise(task: Task, workspace: Workspace) -> DataSummary:
    """What the task's data holds; raises TaskInvalidError, DataInvalidError."""
    try:
        return _read("summary_in_child", task, workspace, _READ_LIMIT_SECONDS, lambda: False)
    except ChildFailedError as error:
        raise TaskInvalidError(f"the data could not be read: {error.detail}") from error


def _as_data_has_it(task: Task, data: PreparedData) -> tuple[Task, tuple[str, ...]]:
    """The task with the dimension of the vectors that the data brings, and all notes."""
    if data.embedding_dim in (None, task.model.embedding_dim):
        return task, data.notes
    model = task.model.model_copy(update={"embedding_dim": data.embedding_dim})
    note = f"embedding_dim is {data.embedding_dim}, the length of the vectors given"
    return task.model_copy(update={"model": model}), (*data.notes, note)


def _read(
    function: str,
    task: Task,
    workspace: Workspace,
    limit_seconds: float,
    should_stop: Callable[[], bool],
) -> Any:
    arguments = {"task": task, "cache_dir": str(workspace.datasets_dir)}
    try:
        # Reading needs no torch, and must not wait until it is loaded.
        (found,) = in_child(
            f"profiler.prepare:{function}",
            arguments,
            needs_torch=False,
            time_limit_seconds=limit_seconds,
            memory_limit_bytes=workspace.memory_limit_bytes,
            should_stop=should_stop,
        )
    except ChildFailedError as error:
        if error.outcome in ("timed_out", "cancelled"):
            raise
        raise TaskInvalidError(f"the data could not be read: {error.detail}") from error
    return found


def read_in_child(task: Task, cache_dir: str) -> Iterator[PreparedData]:
    """The child's side of `prepare`."""
    if task.kind == "description" and task.statistics is not None:
        yield prepare_twin(task.statistics, task.twin_signal, cache_dir)
    elif task.data is not None:
        yield prepare_dataset(task.data, cache_dir, task.kind, task.model)


def summary_in_child(task: Task, cache_dir: str) -> Iterator[DataSummary]:
    """The child's side of `summarise`."""
    for data in read_in_child(task, cache_dir):
        yield summarise_dataset(task, data, _as_data_has_it(task, data)[1])
