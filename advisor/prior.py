"""What similar tasks showed: stored profiles of other tasks, weighted by how alike the tasks are.

Metric levels differ between tasks far more than losses do, so what carries over is each
candidate's value relative to the best of its own task at the same number of epochs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from advisor.curve import value_at
from advisor.evidence import Profile
from advisor.task import Metric, Task, TaskStatistics

# One step of these in the logarithm (or the Gini index) halves the weight twice over: e^-1/2.
_SCALES = {"classes": 1.5, "examples": 2.0, "positives": 1.5, "gini": 0.2, "dim": 1.5}
_OTHER_METRIC = 0.6
_OTHER_KIND = 0.8
_RELATIVE_SD = 0.05
_FOREIGN_SD = 0.25
_LEVEL_SD = 0.5
_FEW_SD = 0.3
_SHORT_SD = 0.15  # per e-fold that the stored curve ends before the asked horizon


@dataclass(frozen=True)
class PriorBelief:
    """A candidate's score relative to the task's best, and where it comes from."""

    relative: float
    sd: float
    profile_ids: tuple[str, ...]


@dataclass(frozen=True)
class Prior:
    """Beliefs by candidate key, and the level of the task's best with its relative spread."""

    beliefs: dict[str, PriorBelief]
    level: float | None
    level_sd: float
    task_names: tuple[str, ...]


def prior(
    task: Task, statistics: TaskStatistics, profiles: Sequence[Profile], horizon_epochs: float
) -> Prior:
    """Pool other tasks' profiles into a belief per candidate; empty without profiles."""
    groups = [_Group(task, statistics, g, horizon_epochs) for g in _by_task(profiles)]
    groups = [g for g in groups if g.best > 0]
    gathered: dict[str, list[tuple[float, float, float, str]]] = {}
    for group in groups:
        for profile, value, short_sd in group.values:
            spread = math.hypot(short_sd, group.few_sd)
            entry = (group.weight, value / group.best, spread, profile.id or "")
            gathered.setdefault(profile.candidate.key, []).append(entry)
    same_metric = [g for g in groups if g.metric == task.metric]
    total = sum(g.weight for g in same_metric)
    return Prior(
        beliefs={key: _pooled(entries) for key, entries in gathered.items()},
        level=sum(g.weight * g.best for g in same_metric) / total if total else None,
        level_sd=_LEVEL_SD * (1 - max((g.weight for g in same_metric), default=0.0)) + 0.05,
        task_names=tuple(dict.fromkeys(g.name for g in groups)),
    )


class _Group:
    """The profiles of one task, read at the asked horizon."""

    def __init__(
        self,
        task: Task,
        statistics: TaskStatistics,
        profiles: Sequence[Profile],
        horizon_epochs: float,
    ) -> None:
        first = profiles[0]
        self.name, self.metric = first.task_name, first.metric
        self.weight = _weight(task, statistics, first)
        self.values: list[tuple[Profile, float, float]] = []
        examples = horizon_epochs * first.statistics.n_examples
        for profile in profiles:
            value = value_at(profile.curve, examples)
            if value is not None:
                score = Metric.parse(profile.metric).score(value)
                missing = math.log(max(1.0, examples / max(1, profile.final_examples)))
                self.values.append((profile, score, _SHORT_SD * missing))
        self.best = max((score for _, score, _ in self.values), default=0.0)
        # The best of few losses need not be near the best of all.
        self.few_sd = _FEW_SD / max(1, len({p.candidate.loss for p in profiles}))


def _by_task(profiles: Iterable[Profile]) -> list[list[Profile]]:
    groups: dict[str, list[Profile]] = {}
    for profile in profiles:
        groups.setdefault(profile.task_fingerprint, []).append(profile)
    return list(groups.values())


def _weight(task: Task, statistics: TaskStatistics, other: Profile) -> float:
    theirs = other.statistics
    distances = {
        "classes": math.log(statistics.n_classes / theirs.n_classes),
        "examples": math.log(statistics.n_examples / theirs.n_examples),
        "positives": math.log(statistics.positives_per_row / theirs.positives_per_row),
        "gini": statistics.class_gini - theirs.class_gini,
        "dim": math.log(task.model.embedding_dim / other.embedding_dim),
    }
    weight = math.exp(-0.5 * sum((d / _SCALES[name]) ** 2 for name, d in distances.items()))
    if other.metric != task.metric:
        weight *= _OTHER_METRIC
    if other.kind != task.kind:
        weight *= _OTHER_KIND
    return weight


def _pooled(entries: list[tuple[float, float, float, str]]) -> PriorBelief:
    total = sum(w for w, *_ in entries) + 1e-12
    mean = sum(w * r for w, r, *_ in entries) / total
    between = sum(w * (r - mean) ** 2 for w, r, *_ in entries) / total
    short_sd = sum(w * s for w, _, s, _ in entries) / total
    foreign = _FOREIGN_SD * (1 - max(w for w, *_ in entries))
    sd = math.sqrt(_RELATIVE_SD**2 + between + short_sd**2 + foreign**2)
    return PriorBelief(mean, sd, tuple(i for *_, i in entries if i))
