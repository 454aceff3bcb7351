"""Ids of any type as numbers from 0."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

_SPREAD = 4  # a table of the ids has at most so many places per row


def numbered(ids: "pl.Series") -> tuple[NDArray[np.int32], int]:
    """The ids as int32 from 0 by first appearance, and how many there are.

    Texts take much memory: taking their column out of its frame for this frees them afterwards.
    """
    codes = _codes(ids)
    if codes is None:
        frame = ids.to_frame("id")
        distinct = frame.unique(maintain_order=True).with_row_index("number")
        numbers = frame.join(distinct, on="id", how="left", maintain_order="left")["number"]
        return numbers.to_numpy().astype(np.int32), distinct.height
    # Of several values that NumPy puts in one place the last stays: from the end, the first row.
    n_rows, n_codes = len(codes), int(codes.max()) + 1
    first = np.full(n_codes, n_rows, dtype=np.int32)
    first[codes[::-1]] = np.arange(n_rows - 1, -1, -1, dtype=np.int32)
    numbers = np.empty(n_codes, dtype=np.int32)
    numbers[np.argsort(first, kind="stable")] = np.arange(n_codes, dtype=np.int32)
    return numbers[codes], int((first < n_rows).sum())


def _codes(ids: "pl.Series") -> NDArray[np.integer] | None:
    """Small numbers from 0 that stand for the ids, in any order; None where none are at hand."""
    import polars as pl

    if ids.dtype == pl.String:
        return ids.cast(pl.Categorical).to_physical().to_numpy()
    if not ids.dtype.is_integer():
        return None
    values = ids.to_numpy()
    lowest = values.min()
    if int(values.max()) - int(lowest) >= _SPREAD * len(values) + 1024:
        return None
    # In 64 bits, where the difference of two int8 fits, and that of two uint64 comes out right too.
    return values.astype(np.int64, copy=False) - lowest.astype(np.int64)
