"""Cases timed in turn, so that what else the machine does hits all of them alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of one case: the median of its rounds, and their lower and upper quartile."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One line of the table: a case's seconds, and its `ratio` to another case with its goal.

    `goal` is the largest ratio allowed, unless `at_least`; `met` is None where there is no goal.
    `pairs` is the number of interleaved rounds, 0 where the section does not say.
    """

    section: str
    shape: str
    case: str
    seconds: float
    low: float
    high: float
    ratio: float | None
    ratio_to: str
    goal: float | None
    met: bool | None
    at_least: bool = False
    pairs: int = 0


def interleaved(cases: dict[str, Callable[[], None]], pairs: int) -> dict[str, Timing]:
    """Seconds of every case over `pairs` rounds; a round runs each once, after one warm-up round.

    The order turns by one case each round, so that none always follows the same neighbour.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for warm_up in cases.values():
        warm_up()
    for round_ in range(pairs):
        start = round_ % len(names)
        for name in names[start:] + names[:start]:
            started = time.perf_counter()
            cases[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: _timing(values) for name, values in seconds.items()}


def _timing(seconds: list[float]) -> Timing:
    if len(seconds) == 1:
        return Timing(*seconds * 3)
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high)
