"""Features: one class per row, told from numbers or text; `multilabel` and `embeddings` differ from
it only in how many classes a row has and in what is trained in front of the output layer.

Split as the file says, else at random by a fixed seed: 80% training, 10% validation, 10% test, and
of every class at least one row in training. Dense features are scaled to mean 0 and deviation 1
over the training rows; sparse ones all by one number, so that the mean square of those that are
there is 1, and those that training never has are left out. Nothing is left out of the ranking.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Model, TaskStatistics
from profiler import splits
from profiler.dataset import Csr, DataSize, Evaluation, Inputs, Part, Reading, Target, chosen_part
from profiler.readers import format_of
from profiler.readers.labelled import Labelled, Matrix, with_rules

RULE_VERSION = 1
_PARTS = ("train", "validation", "test")
_READERS = {"npz": "arrays", "npy": "arrays", "svmlight": "svmlight", "text": "svmlight"}


class SparseRows(NamedTuple):
    """The features of row r are `csr`'s, each with its value."""

    csr: Csr
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Memory-mapped rows of F features, dense or sparse, each with one or several of C classes."""

    x: NDArray[np.float32] | SparseRows
    n_features: int
    labels: Csr
    parts: dict[str, NDArray[np.int64]]
    """The rows of `train`, `validation` and `test`, int64, ascending."""
    class_counts: NDArray[np.int64]
    is_single: bool

    @property
    def n_examples(self) -> int:
        return len(self.parts["train"])

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)

    @property
    def targets_per_example(self) -> float:
        return float(self.class_counts.sum() / self.n_examples)

    @property
    def size(self) -> DataSize:
        return DataSize(sum(map(len, self.parts.values())), None, self.n_examples)

    @property
    def is_sparse(self) -> bool:
        return isinstance(self.x, SparseRows)

    def training(self, examples: NDArray[np.int64]) -> tuple[Inputs, Target]:
        """Inputs: x[B, F], or (indices, offsets[B], values) of the rows' features where sparse."""
        rows = np.asarray(self.parts["train"][examples])
        labels = self.labels.rows(rows)
        target = labels.indices if self.is_single else (labels.indices, labels.indptr)
        return self._inputs(rows), target

    def evaluation(self, part: Part, n_max: int | None = None) -> Evaluation:
        """A row of hidden is a row of the data."""
        rows = chosen_part(np.asarray(self.parts[part]), n_max)
        return Evaluation(rows, self._inputs, self.labels.rows(rows))

    def _inputs(self, rows: NDArray[np.int64]) -> Inputs:
        if not isinstance(self.x, SparseRows):
            return (np.asarray(self.x[rows]),)
        indptr, places = self.x.csr.places(rows)
        return (
            np.asarray(self.x.csr.indices[places]),
            indptr[:-1],
            np.asarray(self.x.values[places]),
        )


def opened(arrays: dict[str, NDArray[Any]], model: Model) -> Features:
    """The dataset of these arrays."""
    del model
    x = arrays.get("features")
    if x is None:
        x = SparseRows(Csr(arrays["indptr"], arrays["indices"]), arrays["values"])
    n_features, is_single = (int(n) for n in arrays["shape"])
    return Features(
        x,
        n_features,
        Csr(arrays["label_indptr"], arrays["label_indices"]),
        {name: arrays[name] for name in _PARTS},
        arrays["class_counts"],
        bool(is_single),
    )


def read(source: DataSource, path: Path) -> Reading:
    """Rows with one class each; raises DataInvalidError for what cannot be used."""
    return prepared(source, read_labelled(source, path, is_single=True), is_single=True)


def read_labelled(source: DataSource, path: Path, *, is_single: bool) -> Labelled:
    """The rows of a file in any format that holds labelled rows, its rules kept."""
    reader = import_module(f"profiler.readers.{_READERS.get(format_of(source), 'labelled_table')}")
    found = reader.read(source, path, is_single=is_single)
    return with_rules(found, repr(source.path), is_single=is_single)


def prepared(
    source: DataSource, data: Labelled, *, is_single: bool, is_scaled: bool = True
) -> Reading:
    """Split, scale and count what was read."""
    where, n_classes = repr(source.path), data.y.shape[1]
    labels = Csr(data.y.indptr.astype(np.int64), data.y.indices.astype(np.int32))
    if n_classes < 2 or len(np.unique(labels.indices)) < 2:
        raise DataInvalidError(f"{where} has one class only; there must be two at least")
    parts, note = _parts(data, labels, where)
    rows = [np.flatnonzero(parts == part) for part in range(len(_PARTS))]
    sizes = ", ".join(f"{len(r):,} {name}" for r, name in zip(rows, _PARTS, strict=True))
    notes = [*data.notes, f"{note}: {sizes} rows"]
    counts = np.bincount(labels.rows(rows[0]).indices, minlength=n_classes).astype(np.int64)
    if unseen := int((counts == 0).sum()):
        notes.append(f"{unseen:,} of {n_classes:,} classes have no row in training")
    if once := int((counts == 1).sum()):
        notes.append(f"{once:,} of {n_classes:,} classes have one row in training")
    x, n_features, said = _features(data.x, rows[0], is_scaled=is_scaled)
    if n_features < 1:
        raise DataInvalidError(f"no row of {where} to train on has any feature")
    arrays: dict[str, NDArray[Any]] = {
        **x,
        "label_indptr": labels.indptr,
        "label_indices": labels.indices,
        "class_counts": counts,
        "shape": np.array([n_features, is_single]),
        **dict(zip(_PARTS, rows, strict=True)),
    }
    statistics = TaskStatistics(
        n_rows=len(rows[0]),
        n_classes=n_classes,
        n_examples=len(rows[0]),
        class_gini=splits.gini(counts),
    )
    return Reading(arrays, statistics, [*notes, *said])


def _features(
    x: Matrix, train: NDArray[np.int64], *, is_scaled: bool
) -> tuple[dict[str, NDArray[Any]], int, list[str]]:
    """The arrays of the features, how many there are, and notes."""
    if not isinstance(x, np.ndarray):
        training = x[train]
        used = np.unique(training.indices)  # the weights of the others would stay as drawn
        is_used = np.isin(x.indices, used)
        places = np.searchsorted(used, x.indices[is_used])
        squares = np.square(training.data, dtype=np.float64)
        size = np.sqrt(squares.sum() / max(1, len(squares))) or 1.0
        arrays = {
            "indptr": np.concatenate(([0], np.cumsum(is_used)))[x.indptr],
            "indices": places.astype(np.int32),
            "values": (x.data[is_used] / size).astype(np.float32),
        }
        left_out = x.shape[1] - len(used)
        notes = [f"features that no training row has, left out: {left_out:,}"] if left_out else []
        return arrays, len(used), notes
    if not is_scaled:
        return {"features": x}, x.shape[1], []
    mean, deviation = (f(x[train], axis=0, dtype=np.float64) for f in (np.mean, np.std))
    scaled = (x - mean) / np.where(deviation > 0, deviation, 1.0)
    notes = ["features are scaled to mean 0 and deviation 1 in training"]
    if n_constant := int((deviation == 0).sum()):
        notes.append(f"features that are constant in training: {n_constant:,}")
    return {"features": scaled.astype(np.float32)}, x.shape[1], notes


def _parts(data: Labelled, labels: Csr, where: str) -> tuple[NDArray[np.int8], str]:
    if data.parts is None:
        parts = _random_parts(labels)
        note = "split at random, each class in training"
    else:
        parts, note = data.parts.copy(), "split as the file says"
        if not (parts == splits.VALIDATION).any():
            train = np.flatnonzero(parts == splits.TRAIN)
            drawn = np.random.default_rng(splits.SPLIT_SEED).permutation(train)
            parts[drawn[: len(train) // 10]] = splits.VALIDATION
            note += ", with a tenth of its training part for validation, as it has none"
    for part, name in ((splits.TRAIN, "train"), (splits.VALIDATION, "validate")):
        if not (parts == part).any():
            raise DataInvalidError(f"the split of {where} leaves no row to {name} on")
    return parts, note


def _random_parts(labels: Csr) -> NDArray[np.int8]:
    """The first row of each class, in a random order that begins with training, is for training."""
    n_rows = len(labels.indptr) - 1
    order = np.random.default_rng(splits.SPLIT_SEED).permutation(n_rows)
    held_out = max(1, n_rows // 10)
    parts = np.zeros(n_rows, dtype=np.int8)
    parts[order[-held_out:]] = splits.VALIDATION
    parts[order[-2 * held_out : -held_out]] = splits.TEST
    ordered = labels.rows(order)
    owners = np.repeat(order, np.diff(ordered.indptr))
    _, first = np.unique(ordered.indices, return_index=True)
    parts[owners[first]] = splits.TRAIN
    return parts
