"""The candidates of a task: every loss with its settings, in the order in which they are opened."""

import itertools

from advisor.card import LossCard, Setting
from advisor.catalogue import known_loss, known_losses
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate
from advisor.task import SettingValue, Task, TaskStatistics


def candidates(task: Task, statistics: TaskStatistics) -> dict[str, tuple[Candidate, ...]]:
    """Per loss its candidates, best guess first; raises for unknown losses and settings."""
    return {name: _of_loss(task, statistics, known_loss(name).card) for name in _selected(task)}


def _selected(task: Task) -> list[str]:
    named = {*(task.losses.include or ()), *task.losses.exclude, *task.losses.settings}
    for name in (*named, task.baseline.loss):
        known_loss(name)
    names = [n for n in task.losses.include or known_losses() if n not in task.losses.exclude]
    if not names:
        raise TaskInvalidError("losses: every loss is excluded; leave at least one")
    return sorted(names)


def _of_loss(task: Task, statistics: TaskStatistics, card: LossCard) -> tuple[Candidate, ...]:
    changed = task.losses.settings.get(card.name, {})
    known = [s.name for s in card.settings]
    if unknown := sorted(set(changed) - set(known)):
        raise TaskInvalidError(
            f"losses.settings.{card.name}: unknown setting {unknown[0]!r}; "
            f"allowed are {', '.join(known)}"
        )
    settings = [
        (s.name, _choices(s, changed.get(s.name) or s.choices, statistics)) for s in card.settings
    ]
    # Distance from the best guess in steps of every choice list: near settings are opened first.
    ranks = sorted(
        itertools.product(*(range(len(choices)) for _, choices in settings)), key=_distance
    )
    return tuple(
        Candidate(
            loss=card.name,
            settings={name: choices[i] for (name, choices), i in zip(settings, rank, strict=True)},
        )
        for rank in ranks
    )


def _choices(
    setting: Setting, choices: tuple[SettingValue, ...], statistics: TaskStatistics
) -> tuple[SettingValue, ...]:
    if not setting.at_most_classes:
        return choices
    return tuple(dict.fromkeys(min(int(c), statistics.n_classes) for c in choices))


def _distance(rank: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return sum(rank), rank
