"""What a classifier trains with: the first guess of a loss by name, or a calibration's advice."""

import multiprocessing as mp
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from advisor.catalogue import known_loss
from advisor.errors import AdvisorError
from advisor.recommendation import Recommendation
from advisor.search_space import candidates
from advisor.task import SettingValue, Task, TaskStatistics
from profiler import splits
from profiler.calibrate import calibrate
from profiler.estimator.rows import Ints, epoch
from profiler.estimator.training import Labelled
from profiler.workspace import Workspace

_FILE = "rows.npz"
Settings = dict[str, SettingValue]


def task_of(fields: Mapping[str, Any], more: Mapping[str, Any] | None) -> Task:
    """The classifier's task, with what the user says of it beside; raises ValueError."""
    more = dict(more or {})
    if taken := sorted(set(more) & set(fields)):
        raise ValueError(f"task_options: {taken[0]!r} follows from the classifier and its data")
    return Task.model_validate({"data": {"path": _FILE}, **fields, **more})


def first_guess(loss: str, settings: Settings, task: Task, class_counts: NDArray) -> Settings:
    """All settings of a loss: those given, else its card's first choice for the optimiser.

    What changes nothing beside the others may be given, as all settings of a candidate are.
    Raises ValueError for an unknown loss or setting and for a value that is not allowed.
    """
    card = known_loss(loss).card
    all_given = {**{s.name: s.choices[0] for s in card.settings}, **settings}
    idle = {s.name for s in card.settings if s.is_idle(all_given)}
    used = {name: (value,) for name, value in settings.items() if name not in idle}
    selection = task.losses.model_copy(update={"include": (loss,), "settings": {loss: used}})
    n_rows = max(1, round(class_counts.sum()))
    statistics = TaskStatistics(
        n_rows=n_rows,
        n_classes=len(class_counts),
        n_examples=n_rows,
        class_gini=splits.gini(np.asarray(class_counts)),
    )
    try:
        space = candidates(task.model_copy(update={"losses": selection}), statistics)
    except AdvisorError as error:
        raise ValueError(str(error).removeprefix("losses.settings.")) from error
    return dict(space[loss][0].settings)


def advised(
    task: Task,
    rows: Labelled,
    parts: tuple[Ints, Ints],
    budget_seconds: float,
    seed: int,
) -> Recommendation:
    """What a calibration of these rows recommends; `parts` are those to train and to validate on.

    Weighted rows are told as often as their weight says. Nothing of it is left on disk.
    """
    rng = np.random.RandomState(seed)
    train, validation = (_told(rows, part, rng) for part in parts)
    workspace = Workspace.temporary()
    try:
        path = workspace.data_dir / _FILE
        _write(path, rows, train, validation)
        data = task.data.model_copy(update={"path": str(path)}) if task.data else None
        told = task.model_copy(update={"data": data})
        with _known_start_method():
            return calibrate(told, budget_seconds, workspace=workspace, seed=seed).recommendation
    except AdvisorError as error:
        raise ValueError(f"loss 'advised': {error}") from error
    finally:
        shutil.rmtree(workspace.data_dir, ignore_errors=True)


@contextmanager
def _known_start_method() -> Iterator[None]:
    """joblib's workers start processes in a way of their own, which a child of theirs cannot."""
    before = mp.get_start_method()
    if before in mp.get_all_start_methods():
        yield
        return
    mp.set_start_method("spawn", force=True)
    try:
        yield
    finally:
        mp.set_start_method(before, force=True)


def _told(rows: Labelled, part: Ints, rng: np.random.RandomState) -> Ints:
    """The rows of a part, weighted ones as often as their weight says."""
    if rows.weight is None:
        return part
    return part[epoch(rows.weight[part], len(part), rng)]


def _write(path: Path, rows: Labelled, train: Ints, validation: Ints) -> None:
    chosen = rows.of(np.concatenate((train, validation)))
    split = np.repeat(["train", "validation"], [len(train), len(validation)])
    if sparse.issparse(chosen.x):
        arrays = {
            "X_data": chosen.x.data,
            "X_indices": chosen.x.indices,
            "X_indptr": chosen.x.indptr,
            "X_shape": np.array(chosen.x.shape),
        }
    else:
        arrays = {"X": chosen.x}
    np.savez(path, y=chosen.y, split=split, **arrays)
