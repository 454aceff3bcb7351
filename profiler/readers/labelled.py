"""Rows of features with their classes: what every reader of them makes, and the rules it keeps.

In arrays and svmlight text a whole number is the id of a class, from 0; text, and whatever stands
in a table, is a name, numbered by its order. Rows are counted from 0, as numpy does. Rows without a
class are left out and counted; a feature that is missing, NaN or infinite is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError

CsrMatrix: TypeAlias = Any
"""scipy.sparse.csr_matrix, whose own types know no shape and no data."""
Matrix: TypeAlias = NDArray[np.float32] | CsrMatrix
_LARGEST_GAP = 10  # ids a label at most: an output layer of empty classes is a mistake
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Labelled:
    """N rows of F features, float32, dense or CSR; their classes as CSR [N, C], sorted."""

    x: Matrix
    y: CsrMatrix
    parts: NDArray[np.int8] | None = None
    notes: list[str] = field(default_factory=list)


def with_rules(data: Labelled, where: str, *, is_single: bool) -> Labelled:
    """The rows that have a class; raises DataInvalidError for what no rule allows."""
    n_rows = data.y.shape[0]
    if data.x.shape[0] != n_rows:
        raise DataInvalidError(
            f"{where} has {data.x.shape[0]:,} rows of features but {n_rows:,} of labels"
        )
    if data.parts is not None and len(data.parts) != n_rows:
        raise DataInvalidError(f"{where} has {n_rows:,} rows but a split of {len(data.parts):,}")
    if data.x.shape[1] < 1:
        raise DataInvalidError(f"{where} has no features")
    check_finite(data.x, where)
    n_labels = np.diff(data.y.indptr)
    if is_single and n_rows and n_labels.max() > 1:
        row = int(n_labels.argmax())
        raise DataInvalidError(
            f"row {row} of {where} has {n_labels[row]} labels, one is allowed; "
            f"with several labels a row say kind: multilabel"
        )
    kept = np.flatnonzero(n_labels)
    if len(kept) == 0:
        raise DataInvalidError(f"no row of {where} has a label")
    n_classes = data.y.shape[1]
    if n_classes > _LARGEST_GAP * data.y.nnz:
        raise DataInvalidError(
            f"{where} has {data.y.nnz:,} labels of classes up to {n_classes - 1}; "
            f"number the classes from 0 without gaps"
        )
    if len(kept) == n_rows:
        return data
    parts = None if data.parts is None else data.parts[kept]
    note = f"{n_rows - len(kept):,} of {n_rows:,} rows dropped: no label"
    return Labelled(data.x[kept], data.y[kept], parts, [*data.notes, note])


def check_finite(
    x: Matrix,
    where: str,
    names: Sequence[str] | None = None,
    rows: NDArray[np.integer] | None = None,
) -> None:
    """Raises DataInvalidError that names the first row and column of a NaN or an infinity.

    `rows` and `names` are those of the file, where x is only a part of it.
    """
    if isinstance(x, np.ndarray):
        for start in range(0, len(x), _ROWS_AT_ONCE):
            bad = np.argwhere(~np.isfinite(x[start : start + _ROWS_AT_ONCE]))
            if len(bad):
                row, column = start + int(bad[0, 0]), int(bad[0, 1])
                name = f"column {names[column]!r}" if names else f"feature {column}"
                _refuse(name, row if rows is None else rows[row], x[row, column], where)
        return
    bad = np.flatnonzero(~np.isfinite(x.data))
    if len(bad):
        row = int(np.searchsorted(x.indptr, bad[0], side="right")) - 1
        _refuse(f"feature {x.indices[bad[0]]}", row, x.data[bad[0]], where)


def classes_of_ids(labels: NDArray[Any], where: str) -> CsrMatrix:
    """The class of each row, at most one; NaN and "" are none. Raises DataInvalidError."""
    if labels.dtype.kind in "US":
        names, ids = np.unique(labels, return_inverse=True)
        if len(names) and not names[0]:  # "" comes first
            ids = ids - 1
        return to_classes(ids, len(names) - int(not names[0]))
    if labels.dtype.kind not in "bifu":
        raise DataInvalidError(f"the labels of {where} hold {labels.dtype}; give numbers or texts")
    is_given = labels == labels  # nan is not
    rows = np.flatnonzero(is_given)
    ids = np.full(len(labels), -1)
    ids[rows] = whole_numbers(labels[rows], rows, where)
    return to_classes(ids, int(ids.max(initial=-1)) + 1)


def whole_numbers(labels: NDArray[Any], rows: NDArray[np.integer], where: str) -> NDArray[np.int64]:
    """The labels of these rows as ids; raises DataInvalidError for what is no number from 0."""
    with np.errstate(invalid="ignore"):
        ids = np.asarray(labels).astype(np.int64)
    wrong = np.flatnonzero((ids != labels) | (ids < 0))
    if len(wrong):
        raise DataInvalidError(
            f"row {rows[wrong[0]]} of {where} has the label {labels[wrong[0]]:g}; "
            f"number the classes from 0, and give a row without a class none at all"
        )
    return ids


def to_classes(ids: NDArray[np.integer], n_classes: int) -> CsrMatrix:
    """One class a row as CSR; below 0 for none."""
    is_given = ids >= 0
    return csr(ids[is_given], np.concatenate(([0], np.cumsum(is_given))), n_classes)


def csr(indices: NDArray[Any], indptr: NDArray[Any], n_columns: int) -> CsrMatrix:
    """CSR of ones, sorted, an index that a row has twice once."""
    from scipy.sparse import csr_matrix

    shape = (len(indptr) - 1, n_columns)
    found = csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape)
    found.sum_duplicates()
    return found


def _refuse(name: str, row: int, value: Any, where: str) -> None:
    what = "missing or nan" if np.isnan(value) else "infinite"
    raise DataInvalidError(
        f"{name} of {where} is {what} in row {row} (counted from 0); "
        "fill it in or leave the row out"
    )
