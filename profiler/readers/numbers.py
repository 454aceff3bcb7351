"""Ids of any type as numbers from 0."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl


def numbered(frame: "pl.DataFrame", name: str) -> tuple[NDArray[np.int32], int]:
    """The ids of a column as int32 from 0 by first appearance, and how many there are."""
    ids = frame.select(name)
    distinct = ids.unique(maintain_order=True).with_row_index("number")
    numbers = ids.join(distinct, on=name, how="left", maintain_order="left")["number"]
    return numbers.to_numpy().astype(np.int32), distinct.height
