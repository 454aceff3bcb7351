"""Interactions: who chose what; an example is one (row, class) pair, a row is a user.

The rules of the split and of repeated pairs stand in `splits`. Ranked is the full catalogue less
what the row has seen in training.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Model, TaskStatistics
from profiler import splits
from profiler.dataset import Csr, DataSize, Evaluation, Inputs, Part, Reading, Target, chosen_part
from profiler.readers import read_table
from profiler.readers.numbers import numbered

RULE_VERSION = splits.RULE_VERSION


@dataclass(frozen=True)
class Interactions:
    """Memory-mapped arrays of N training pairs, R rows (users) and C classes (items)."""

    train_rows: NDArray[np.int32]
    """int32[N], row of each training pair, in file order."""
    train_classes: NDArray[np.int32]
    """int32[N], class of each training pair, in file order."""
    class_counts: NDArray[np.int64]
    """int64[C], training pairs of each class; 0 for a class seen only in validation or test."""
    train_indptr: NDArray[np.int64]
    train_indices: NDArray[np.int32]
    validation_indptr: NDArray[np.int64]
    validation_indices: NDArray[np.int32]
    test_indptr: NDArray[np.int64]
    test_indices: NDArray[np.int32]

    @property
    def n_examples(self) -> int:
        return len(self.train_rows)

    @property
    def targets_per_example(self) -> float:
        return 1.0

    @property
    def size(self) -> DataSize:
        parts = (self.train, self.validation, self.test)
        n_training_rows = int((np.diff(self.train_indptr) > 0).sum())
        return DataSize(sum(len(p.indices) for p in parts), self.n_rows, n_training_rows)

    @property
    def n_rows(self) -> int:
        return len(self.train_indptr) - 1

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)

    @property
    def train(self) -> Csr:
        return Csr(self.train_indptr, self.train_indices)

    @property
    def validation(self) -> Csr:
        return Csr(self.validation_indptr, self.validation_indices)

    @property
    def test(self) -> Csr:
        return Csr(self.test_indptr, self.test_indices)

    def training(self, examples: NDArray[np.int64]) -> tuple[Inputs, Target]:
        """Inputs: the row ids."""
        return (self.train_rows[examples],), self.train_classes[examples]

    def evaluation(self, part: Part, n_max: int | None = None) -> Evaluation:
        """A row of hidden is a row with a positive in that part."""
        positives = self.validation if part == "validation" else self.test
        rows = chosen_part(np.flatnonzero(np.diff(positives.indptr)), n_max)
        return Evaluation(rows, lambda units: (units,), positives.rows(rows), self.train.rows(rows))


def opened(arrays: dict[str, NDArray[Any]], model: Model) -> Interactions:
    """The dataset of these arrays."""
    del model
    return Interactions(**arrays)


def read(source: DataSource, path: Path) -> Reading:
    """Number, split and count; raises DataInvalidError for what cannot be used."""
    frame, notes = read_table(source, path, ("user", "item", "split"), ("user", "item"))
    item = frame["item"][0]
    classes, n_classes = numbered(frame.drop_in_place("item"))
    rows, n_rows = numbered(frame.drop_in_place("user"))
    given = frame["split"].to_numpy() if "split" in frame.columns else None
    where = repr(source.path)
    if n_classes < 2:
        raise DataInvalidError(f"{where} has one class only: the item is {item!r} in every row")
    kept = splits.first_of_each_pair(rows, classes, given)
    more = list(notes)
    if kept is not None:
        more.append(f"{len(rows) - len(kept):,} repeated (user, item) rows were left out")
        rows, classes = rows[kept], classes[kept]
        given = None if given is None else given[kept]
    parts, note = _parts(rows, n_rows, given, where)
    more.append(note)
    train = parts == splits.TRAIN
    class_counts = np.bincount(classes[train], minlength=n_classes).astype(np.int64)
    arrays: dict[str, NDArray[Any]] = {
        "train_rows": rows[train],
        "train_classes": classes[train],
        "class_counts": class_counts,
    }
    for part, name in enumerate(("train", "validation", "test")):
        mask = parts == part
        indptr, indices = splits.to_csr(rows[mask], classes[mask], n_rows)
        arrays |= {f"{name}_indptr": indptr, f"{name}_indices": indices}
    statistics = TaskStatistics(
        n_rows=n_rows,
        n_classes=n_classes,
        n_examples=int(train.sum()),
        class_gini=splits.gini(class_counts),
    )
    return Reading(arrays, statistics, more)


def _parts(
    rows: NDArray[np.int32], n_rows: int, given: NDArray[np.int8] | None, where: str
) -> tuple[NDArray[np.int8], str]:
    if given is None:
        parts = splits.random_parts(rows, n_rows, with_test=True)
        few = int((np.bincount(rows, minlength=n_rows) < splits.LEAST_PAIRS).sum())
        note = "split at random within each user: 80% training, 10% validation, 10% test"
        if few:
            note += f"; users with fewer than {splits.LEAST_PAIRS} items, who only train: {few:,}"
    else:
        parts, note = given, "split as the file says"
        train = parts == splits.TRAIN
        if not (parts == splits.VALIDATION).any():
            parts = parts.copy()
            parts[train] = splits.random_parts(rows[train], n_rows, with_test=False)
            note += ", with a tenth of its training part for validation, as it has none"
    if not (parts == splits.TRAIN).any():
        raise DataInvalidError(f"the split of {where} leaves no row to train on")
    if not (parts == splits.VALIDATION).any():
        raise DataInvalidError(
            f"{where} leaves no validation rows: no user has {splits.LEAST_PAIRS} or more "
            f"different items to train on, so none can be held out"
        )
    return parts, note
