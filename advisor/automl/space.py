"""A recommendation as a search space: per loss what varies and between which values; no tool here.

Numbers vary on a log scale between the least and the greatest value that the card, the task and the
recommendation name; what is no number, or may be 0, is a choice. What has one value is fixed.
"""

import math
from dataclasses import dataclass

from advisor.card import Settings
from advisor.evidence import Candidate
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.search_space import candidates
from advisor.task import SettingValue, Task, TaskStatistics

_UNKNOWN_CLASSES = 2**31
_UNLIKE = 10.0  # as far apart as numbers of a ratio of e^10: what cannot be compared


@dataclass(frozen=True)
class Range:
    """From low to high, both inclusive, on a log scale."""

    low: float
    high: float
    is_whole: bool


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[SettingValue, ...]


@dataclass(frozen=True)
class LossSpace:
    """One loss: the settings that vary, those that do not, and the settings to try first."""

    loss: str
    varied: dict[str, Range | Choice]
    fixed: Settings
    first: Settings


def spaces(recommendation: Recommendation) -> dict[str, LossSpace]:
    """Per feasible loss, in the order of the ranking, what may be searched."""
    _, _, known = searched(recommendation)
    return {
        entry.loss: _space(entry, known[entry.loss])
        for entry in recommendation.ranking
        if entry.feasible
    }


def points(recommendation: Recommendation) -> tuple[Candidate, ...]:
    """What to try first: every feasible loss at its best settings, the recommended one first."""
    best = Candidate(loss=recommendation.loss, settings=recommendation.settings)
    ranked = [
        Candidate(loss=entry.loss, settings=entry.settings)
        for entry in recommendation.ranking
        if entry.feasible
    ]
    return tuple(dict.fromkeys((best, *ranked)))


def parameter(loss: str, setting: str) -> str:
    """The name of a loss's setting among the parameters of all losses."""
    return f"{loss}.{setting}"


def searched(
    recommendation: Recommendation,
) -> tuple[Task, TaskStatistics, dict[str, tuple[Candidate, ...]]]:
    """The task with the feasible losses of the ranking alone, its size, and all their settings."""
    task = recommendation.task
    # An answer of an older version says nothing of the data: counts of classes are then not capped.
    statistics = (
        recommendation.statistics
        or task.statistics
        or TaskStatistics(n_rows=1, n_classes=_UNKNOWN_CLASSES, n_examples=1)
    )
    feasible = tuple(entry.loss for entry in recommendation.ranking if entry.feasible)
    selection = task.losses.model_copy(update={"include": feasible, "exclude": ()})
    task = task.model_copy(update={"losses": selection})
    return task, statistics, candidates(task, statistics)


def apart(one: Candidate, other: Candidate) -> float:
    """How far settings lie apart: numbers by the logarithm of their ratio."""
    if one.loss != other.loss:
        return math.inf
    return sum(_apart(value, other.settings.get(name)) for name, value in one.settings.items())


def _apart(a: SettingValue, b: SettingValue | None) -> float:
    if a == b:
        return 0.0
    if isinstance(a, int | float) and isinstance(b, int | float) and min(a, b) > 0:
        return abs(math.log(a / b))
    return _UNLIKE


def _space(entry: RankedCandidate, known: tuple[Candidate, ...]) -> LossSpace:
    values = {
        name: tuple(dict.fromkeys((best, *(c.settings[name] for c in known))))
        for name, best in entry.settings.items()
    }
    return LossSpace(
        loss=entry.loss,
        varied={name: _between(found) for name, found in values.items() if len(found) > 1},
        fixed={name: found[0] for name, found in values.items() if len(found) == 1},
        first=dict(entry.settings),
    )


def _between(values: tuple[SettingValue, ...]) -> Range | Choice:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or min(numbers) <= 0:
        return Choice(tuple(sorted(values, key=str)))  # the same for every answer: studies ask it
    return Range(min(numbers), max(numbers), all(isinstance(n, int) for n in numbers))
