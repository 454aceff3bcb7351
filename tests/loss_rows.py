"""One row per loss and notable setting: what runs over every row is in `tests/losses`.

The naive formulas are in `tests/references`, one file per family; what a row is, and what must hold
for it, in `profiler.losses.testing`, where authors of losses have it too.
"""

from profiler.losses.testing import Row
from tests.references import exact, factorised, sampled

ROWS = (*exact.ROWS, *sampled.ROWS, *factorised.ROWS)


def rows_of(*families: str) -> tuple[Row, ...]:
    """The rows whose card is of one of these families."""
    return tuple(row for row in ROWS if row.family in families)


def row_ids(rows: tuple[Row, ...]) -> list[str]:
    return [row.id for row in rows]
