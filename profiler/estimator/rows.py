"""The rows of a design matrix, dense or sparse: how they are scaled, weighted, parted and batched.

numpy and scipy only; a row is an example.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix: TypeAlias = Any  # NDArray or scipy's CSR matrix, which brings no types
Ints = NDArray[np.integer]
Inputs = tuple[NDArray, ...]


@dataclass(frozen=True)
class Scaling:
    """What `profiler.kinds.features` does to features, so that what is advised is what is trained.

    Dense features to mean 0 and deviation 1, sparse ones all by one number, so that the mean square
    of those that are there is 1.
    """

    offset: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, x: Matrix) -> "Scaling":
        """The scaling of these rows; what is constant keeps its size."""
        if sparse.issparse(x):
            squares = np.square(x.data, dtype=np.float64)
            size = float(np.sqrt(squares.mean())) if len(squares) else 1.0
            return cls(np.zeros(()), np.array(size or 1.0))
        deviation = x.std(axis=0, dtype=np.float64)
        return cls(x.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0))

    @classmethod
    def none(cls) -> "Scaling":
        """Vectors as they are."""
        return cls(np.zeros(()), np.ones(()))


@dataclass(frozen=True)
class Reader:
    """Turns rows of X into an encoder's inputs, in the form in which it was fitted."""

    scaling: Scaling
    is_sparse: bool

    def inputs(self, x: Matrix, dtype: np.dtype) -> Inputs:
        """(x[B, F],), or (indices, offsets[B], values) of a network that was fitted on sparse X."""
        offset, size = self.scaling.offset, self.scaling.size
        if not self.is_sparse:
            dense = x.toarray() if sparse.issparse(x) else x
            return (((dense - offset) / size).astype(dtype),)
        rows: Matrix = sparse.csr_matrix(x)
        return rows.indices.astype(np.int64), rows.indptr[:-1].astype(np.int64), rows.data / size


def epoch(weight: NDArray[np.float64] | None, n_rows: int, rng: np.random.RandomState) -> Ints:
    """The rows of one epoch, n_rows of them in random order, each as often as its weight says.

    Without weights every row once. With them by systematic resampling: a row of share w / sum(w)
    comes n_rows w / sum(w) times, rounded down or up at random so that this is its mean. So the
    expected gradient is the weighted one, for every loss alike, sampled ones too.
    """
    if weight is None:
        return rng.permutation(n_rows)
    reached = np.cumsum(weight) * (n_rows / weight.sum())
    drawn = np.searchsorted(reached, np.arange(n_rows) + rng.uniform(), side="right")
    return rng.permutation(np.minimum(drawn, n_rows - 1))


def batches(rows: Ints, batch_size: int) -> Iterator[Ints]:
    """The rows in their order, batch by batch; the last may be smaller."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def held_out(y: Ints, fraction: float, rng: np.random.RandomState) -> tuple[Ints, Ints]:
    """Rows to train and to validate on; the first row drawn of every class is for training."""
    order = rng.permutation(len(y))
    _, first = np.unique(y[order], return_index=True)
    must_train = np.zeros(len(y), dtype=bool)
    must_train[first] = True
    free = order[~must_train]
    n_held = min(len(free), max(1, round(fraction * len(y))))
    if n_held == 0:
        raise ValueError(
            f"no row is left to validate on: {len(y)} rows of {len(first)} classes, each of which "
            f"needs one for training"
        )
    return np.sort(np.concatenate((order[first], free[n_held:]))), np.sort(free[:n_held])
