"""What is expected of every candidate before anything is measured on the task.

The mean curve is built of what all candidates have in common, what a loss adds and what its
settings add, each the mean over the stored tasks by their similarity, shrunk by how much evidence
there is of it. How far a task departs from the mean of the others, by what its candidates share, is
measured on the stored tasks themselves, each set against the rest.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from advisor.bank import CEILING, EFFECTS, KNOTS, Array, Kin, StoredTask, Traits, latent
from advisor.evidence import Candidate, Profile
from advisor.task import Task, TaskStatistics

_LOSS_SHRINK, _SETTINGS_SHRINK = 1.0, 1.0
_LEVEL_SD, _UNKNOWN_LEVEL, _UNKNOWN_LEVEL_SD = 0.7, math.log(0.2), 1.2
_LEVEL_POWER = 4  # of the similarity: levels are alike on the most similar tasks only
_TASKS_TO_LEARN_FROM = 3

# Without enough stored tasks: a slow rise, and standard deviations of shares, at log2 steps.
_RISE = ((0.0, 0.05), (4.0, 0.15), (8.0, 0.45), (12.0, 0.8), (24.0, 0.9))
_BLIND = {
    "task": ((0.0, 0.1), (6.0, 0.25), (12.0, 0.15), (24.0, 0.1)),
    "loss": ((0.0, 0.05), (6.0, 0.12), (24.0, 0.12)),
    "rate": ((0.0, 0.05), (6.0, 0.12), (24.0, 0.1)),
    "decay": ((0.0, 0.02), (24.0, 0.04)),
    "loss_rate": ((0.0, 0.03), (6.0, 0.08), (24.0, 0.07)),
    "loss_rest": ((0.0, 0.01), (24.0, 0.03)),
    "own": ((0.0, 0.01), (24.0, 0.03)),
}
_LEAST_SD = 0.01
_NARROWED = 0.7  # learnt departures, as 80% intervals made of them whole hold nearly always
_UNKNOWN_LOSS = 2.0  # times as wide is what is expected of a loss that no stored task has seen
_TO_80_PERCENT = 1.2816


@dataclass(frozen=True)
class Prior:
    """The mean curve of every candidate, and how far a task departs from it.

    `mean`[candidates, KNOTS] is the score's share of the task's level, on the bank's latent scale;
    `sd` by effect are standard deviations at KNOTS of what the task's candidates share beyond it,
    that of the loss times `widening`[candidates]. `level` is the log of the best score to be
    expected.
    """

    mean: Array
    sd: dict[str, Array]
    widening: Array
    level: float
    level_sd: float
    profile_ids: tuple[tuple[str, ...], ...] = ()
    is_founded: bool = False
    """Whether it rests on stored profiles, and not on general shapes alone."""


class Bank:
    """The stored tasks that a prior rests on; without any it knows general shapes only."""

    def __init__(
        self,
        tasks: Sequence[StoredTask] = (),
        departures: dict[str, Array] | None = None,
        holds: frozenset[str] = frozenset(),
    ) -> None:
        """`departures` by effect are learnt from the tasks where they are not given.

        `holds` are the ids of the profiles that were joined to it.
        """
        self.tasks, self.holds = tuple(tasks), holds
        if departures is not None:
            self.departures = departures

    @classmethod
    def of(cls, profiles: Iterable[Profile]) -> "Bank":
        """The tasks of these profiles; those that have learnt nothing are left out."""
        groups: dict[tuple[str, str], list[Profile]] = {}
        for profile in profiles:
            groups.setdefault((profile.task_fingerprint, profile.metric), []).append(profile)
        stored = (StoredTask(group) for group in groups.values())
        return cls([task for task in stored if task.is_usable])

    def joined(self, profiles: Sequence[Profile]) -> "Bank":
        """The same bank with the tasks of these profiles; how far tasks depart is kept.

        Those that were joined before are not joined again.
        """
        new = [p for p in profiles if p.id not in self.holds]
        if not new:
            return self
        more = Bank.of(new).tasks
        kept = self.departures if len(self.tasks) >= _TASKS_TO_LEARN_FROM else None
        return Bank((*self.tasks, *more), kept, self.holds | {p.id for p in new if p.id})

    @cached_property
    def departures(self) -> dict[str, Array]:
        """How far a task departs from what the others expect of it."""
        return _departures(self.tasks)

    def prior(
        self, task: Task, statistics: TaskStatistics, candidates: Sequence[Candidate]
    ) -> Prior:
        """What is expected of these candidates of a task that is not among the stored ones."""
        kin = [Kin.of(c) for c in candidates]
        if not self.tasks:
            return general_prior(len(kin))
        asked = Traits(task.kind, task.metric, statistics, task.model.embedding_dim)
        level, level_sd = _level(asked, self.tasks)
        return Prior(
            mean=_expected(kin, _weights(asked, self.tasks), self._parts),
            sd=self.departures,
            widening=np.array([1.0 if k.loss in self._losses else _UNKNOWN_LOSS for k in kin]),
            level=level,
            level_sd=level_sd,
            profile_ids=tuple(tuple(self._ids.get(k, ())) for k in kin),
            is_founded=True,
        )

    @cached_property
    def _parts(self) -> "_Parts":
        return _parts_of(self.tasks)

    @cached_property
    def _losses(self) -> set[str]:
        return {k.loss for task in self.tasks for k in task.kin}

    @cached_property
    def _ids(self) -> dict[Kin, list[str]]:
        """The profiles of each candidate, task by task."""
        found: dict[Kin, list[str]] = {}
        for task in self.tasks:
            for kin, id_ in task.ids.items():
                found.setdefault(kin, []).append(id_)
        return found


EMPTY_BANK = Bank()


def general_prior(n_candidates: int) -> Prior:
    """What is expected where nothing is stored: a slow rise, the same for all."""
    mean = np.tile(latent(_line(_RISE)), (n_candidates, 1))
    return Prior(mean, _blind(), np.ones(n_candidates), _UNKNOWN_LEVEL, _UNKNOWN_LEVEL_SD)


_Parts = dict[object, list[tuple[int, Array, Array]]]
"""What each task (by its place) knows of a key of `StoredTask.parts`, and what that counts for."""


def _parts_of(stored: Sequence[StoredTask]) -> _Parts:
    found: _Parts = {}
    for i, task in enumerate(stored):
        for key, (value, counts) in task.parts.items():
            found.setdefault(key, []).append((i, value, counts))
    return found


def _weights(asked: Traits, stored: Sequence[StoredTask]) -> list[float]:
    """What each task counts for: its breadth times its similarity."""
    return [s.breadth * s.traits.similarity(asked) for s in stored]


def _expected(kin: Sequence[Kin], weights: Sequence[float], parts: _Parts) -> Array:
    """[candidates, KNOTS]: what all share, what the loss adds and what the settings add."""

    def pooled(key: object, shrink: float) -> Array:
        total, count = np.zeros(len(KNOTS)), np.full(len(KNOTS), shrink)
        for i, value, counts in parts.get(key, ()):
            weighted = weights[i] * counts
            total += weighted * value
            count += weighted
        return total / count

    whole = pooled(None, 0.0)
    of_loss = {loss: pooled(loss, _LOSS_SHRINK) for loss in dict.fromkeys(k.loss for k in kin)}
    return np.array([whole + of_loss[k.loss] + pooled(k, _SETTINGS_SHRINK) for k in kin])


def _departures(stored: Sequence[StoredTask]) -> dict[str, Array]:
    if len(stored) < _TASKS_TO_LEARN_FROM:
        return _blind()
    found: dict[str, list[Array]] = {effect: [] for effect in EFFECTS}
    parts = _parts_of(stored)
    for i, task in enumerate(stored):
        weights = _weights(task.traits, stored)
        weights[i] = 0.0
        left = task.values - _expected(task.kin, weights, parts)
        for effect in EFFECTS:
            groups: dict[object, list[int]] = {}
            for row, k in enumerate(task.kin):
                groups.setdefault(k.groups[effect], []).append(row)
            shared = {group: left[rows].mean(0) for group, rows in groups.items()}
            for group, rows in groups.items():
                left[rows] -= shared[group]
            found[effect] += shared.values()
    return {
        effect: np.maximum(_NARROWED * _spread(effect, values), _LEAST_SD)
        for effect, values in found.items()
    }


def _spread(effect: str, values: list[Array]) -> Array:
    """Standard deviation of departures; of what candidates do not share by their central 80%.

    Losses that fail on a task fall far below what is expected of them, and none rises as far above
    it: a spread that held the failures would promise gains that nobody has.
    """
    if effect == "task":
        return np.sqrt(np.mean(np.square(values), axis=0))
    return np.quantile(np.abs(values), 0.8, axis=0) / _TO_80_PERCENT


def _blind() -> dict[str, Array]:
    slope = 1 / (CEILING - _line(_RISE))  # of the latent scale, where the shares are expected
    return {effect: slope * _line(points) for effect, points in _BLIND.items()}


def _line(points: tuple[tuple[float, float], ...]) -> Array:
    at, values = zip(*points, strict=True)
    return np.interp(KNOTS, at, values)


def _level(asked: Traits, stored: Sequence[StoredTask]) -> tuple[float, float]:
    """log of the best score to be expected, by tasks of the same metric, and its spread."""
    logs = np.array([math.log(s.level) for s in stored])
    weights = np.array([s.traits.similarity(asked) for s in stored]) ** _LEVEL_POWER
    mean = float(np.average(logs, weights=weights))
    spread = float(np.average((logs - mean) ** 2, weights=weights)) ** 0.5
    return mean, math.hypot(spread, _LEVEL_SD * (1.05 - float(weights.max())))
