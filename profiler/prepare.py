"""prepare: read a task's data in a child, once; every later call finds the cached dataset."""

from collections.abc import Callable, Iterator

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.task import Task
from profiler.dataset import PreparedData, prepare_dataset, prepare_twin
from profiler.isolation import ChildFailedError, in_child
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
    data = _read(task, workspace, limit_seconds, should_stop)
    notes = data.notes
    if data.embedding_dim not in (None, task.model.embedding_dim):
        model = task.model.model_copy(update={"embedding_dim": data.embedding_dim})
        task = task.model_copy(update={"model": model})
        notes += (f"embedding_dim is {data.embedding_dim}, the length of the vectors given",)
    return Prepared(
        task=task,
        task_fingerprint=task.fingerprint(data.fingerprint),
        statistics=data.statistics,
        device=workspace.device,
        dataset_dir=data.dataset_dir,
        notes=notes,
    )


def _read(
    task: Task, workspace: Workspace, limit_seconds: float, should_stop: Callable[[], bool]
) -> PreparedData:
    arguments = {"task": task, "cache_dir": str(workspace.datasets_dir)}
    function = "profiler.prepare:read_in_child"
    try:
        # A plain child: reading needs no torch, and starts in 0.2 s instead of 1.6 s.
        (data,) = in_child(
            function,
            arguments,
            preload_torch=False,
            time_limit_seconds=limit_seconds,
            should_stop=should_stop,
        )
    except ChildFailedError as error:
        if error.outcome in ("timed_out", "cancelled"):
            raise
        raise TaskInvalidError(f"the data could not be read: {error.detail}") from error
    return data


def read_in_child(task: Task, cache_dir: str) -> Iterator[PreparedData]:
    """The child's side of `prepare`."""
    if task.kind == "description" and task.statistics is not None:
        yield prepare_twin(task.statistics, task.twin_signal, cache_dir)
    elif task.data is not None:
        yield prepare_dataset(task.data, cache_dir, task.kind, task.model)
