"""A recommendation as a search space: per loss what varies and between which values; no tool here.

Numbers vary on a log scale between the least and the greatest value that the card, the task and the
recommendation name; what is no number, or may be 0, is a choice. What has one value is fixed.
"""

from dataclasses import dataclass

from advisor.card import Settings
from advisor.evidence import Candidate
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.search_space import candidates
from advisor.task import SettingValue, TaskStatistics

_UNKNOWN_CLASSES = 2**31


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
    return {
        entry.loss: _space(recommendation, entry)
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


def _space(recommendation: Recommendation, entry: RankedCandidate) -> LossSpace:
    task = recommendation.task
    # An answer of an older version says nothing of the data: counts of classes are then not capped.
    statistics = (
        recommendation.statistics
        or task.statistics
        or TaskStatistics(n_rows=1, n_classes=_UNKNOWN_CLASSES, n_examples=1)
    )
    selection = task.losses.model_copy(update={"include": (entry.loss,), "exclude": ()})
    known = candidates(task.model_copy(update={"losses": selection}), statistics)[entry.loss]
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
