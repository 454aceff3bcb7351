"""For authors of losses: what every layer must hold, run over rows of yours.

    from profiler.losses.testing import Row, parametrize_with_checks

    @parametrize_with_checks([Row("focal", "focal", reference)])
    def test_focal_keeps_the_contract(check):
        check()

Imports torch, `advisor` and `profiler`; pytest only in `parametrize_with_checks`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from profiler.losses.testing import contract, values
from profiler.losses.testing.layers import batch_of, make_layer, redraw
from profiler.losses.testing.promises import promises
from profiler.losses.testing.row import Batch, Reference, Row

__all__ = [
    "Batch",
    "Check",
    "Reference",
    "Row",
    "batch_of",
    "check_loss",
    "checks",
    "contract",
    "make_layer",
    "parametrize_with_checks",
    "redraw",
    "values",
]


@dataclass(frozen=True)
class Check:
    """One thing that must hold for one row; called, it raises AssertionError where it does not."""

    row: Row
    what: Callable[[Row], None]

    def __call__(self) -> None:
        self.what(self.row)

    def __str__(self) -> str:
        return f"{self.row.id}: {self.what.__name__.replace('_', ' ')}"


def checks(rows: Iterable[Row]) -> Iterator[Check]:
    """All checks of all rows, in the order in which they say most."""
    for row in rows:
        yield from (Check(row, what) for what in promises(row))


def check_loss(*rows: Row) -> None:
    """Run all checks; raises AssertionError that names each one that failed, and why."""
    faults = []
    for check in checks(rows):
        try:
            check()
        except Exception as error:
            faults.append(f"{check}: {type(error).__name__}: {error}")
    if faults:
        raise AssertionError("\n".join(faults))


def parametrize_with_checks(rows: Iterable[Row]) -> Callable[[Any], Any]:
    """A decorator for a test with one argument, `check`: one test for each of `checks`."""
    import pytest

    found = list(checks(rows))
    return pytest.mark.parametrize("check", found, ids=list(map(str, found)))
