"""The bank: curves of stored tasks, in the form in which they speak for other tasks.

Curves are shares of the best score of their task, against log2 of training steps: levels differ
between tasks far more than losses do, and steps, unlike epochs or shares of a horizon, mean the
same for every horizon. Shares are kept as the negative logarithm of the room that they leave below
the ceiling: none rises above the best, many fall far below it, and on this scale what is good
spreads out and what fails lies close, so that departures are nearly symmetric.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from advisor.catalogue import known_loss
from advisor.errors import UnknownLossError
from advisor.evidence import Candidate, Profile
from advisor.task import Metric, TaskStatistics

Array = npt.NDArray[np.float64]
Draws = npt.NDArray[np.float32]  # single precision: there are many, and chance is far coarser
Floats = npt.NDArray[Any]  # of either precision

KNOTS = np.arange(0.0, 25.0)
"""log2 of training steps: where curves are kept; between two they are straight."""

CEILING = 1.05
"""Of shares: a little above 1, as the best that was seen need not be the best there is."""
_LEAST_ROOM = 0.015  # below the ceiling, for scores that chance lifted above the best

# One step of these in the logarithm (or the Gini index) lowers a task's similarity to e^-1/2.
_SCALES = {"classes": 1.5, "examples": 2.0, "positives": 1.5, "gini": 0.2, "dim": 1.5}
_OTHER_METRIC, _OTHER_KIND = 0.6, 0.5
_FAR_WEIGHT = 0.1  # of the least similar task: rates and losses behave alike on most
_BEYOND = 0.5  # what a curve counts for with each doubling of steps beyond its ends
_FEW_LOSSES = 1.0
_RATE_SCALE = 1.0  # learning rates so far apart in the logarithm share e^-1/2 of what one shows


@dataclass(frozen=True)
class Kin:
    """What a candidate shares with others: its loss, its rate, its decay, the rest of it.

    Counts that end at the number of classes are left out: they differ between tasks.
    """

    loss: str
    rate: object
    decay: object
    rest: tuple[tuple[str, object], ...]

    @classmethod
    def of(cls, candidate: Candidate) -> "Kin":
        try:
            counts = {s.name for s in known_loss(candidate.loss).card.settings if s.at_most_classes}
        except UnknownLossError:  # a profile of a loss that is installed no more
            counts = set[str]()
        settings = {k: v for k, v in candidate.settings.items() if k not in counts}
        rate, decay = settings.pop("learning_rate", None), settings.get("weight_decay")
        return cls(candidate.loss, rate, decay, tuple(sorted(settings.items())))

    @cached_property
    def groups(self) -> dict[str, object]:
        """What it has in common with those that share an effect, by the effect's name."""
        return {
            "task": None,
            "loss": self.loss,
            "rate": self.rate,
            "decay": self.decay,
            "loss_rate": (self.loss, self.rate),
            "loss_rest": (self.loss, self.rest),
            "own": (self.loss, self.rate, self.rest),
        }


EFFECTS = ("task", "loss", "rate", "decay", "loss_rate", "loss_rest", "own")


def alike(kin: Sequence[Kin]) -> dict[str, Array]:
    """[candidates, candidates] by effect: how much of it two share, from 0 to 1.

    All of it where they have in common what it is an effect of, else nothing; but learning rates
    share theirs the more, the nearer they are.
    """
    found: dict[str, Array] = {}
    for effect in EFFECTS:
        groups = [k.groups[effect] for k in kin]
        numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        which = np.array([numbers[group] for group in groups])
        found[effect] = (which[:, None] == which[None, :]).astype(float)
    rates = [float(k.rate) if isinstance(k.rate, int | float) else 0.0 for k in kin]
    is_rate = np.array(rates) > 0
    logs = np.log(np.where(is_rate, rates, 1.0))
    near = np.exp(-0.5 * ((logs[:, None] - logs[None, :]) / _RATE_SCALE) ** 2)
    near *= is_rate[:, None] & is_rate[None, :]
    found["rate"] = np.maximum(found["rate"], near)
    found["loss_rate"] = np.maximum(found["loss_rate"], near * found["loss"])
    return found


@dataclass(frozen=True)
class Traits:
    """What tells how alike two tasks are."""

    kind: str
    metric: str
    statistics: TaskStatistics
    embedding_dim: int

    def similarity(self, other: "Traits") -> float:
        """Between the weight of the least similar task and 1."""
        ours, theirs = self.statistics, other.statistics
        distances = {
            "classes": math.log(ours.n_classes / theirs.n_classes),
            "examples": math.log(ours.n_examples / theirs.n_examples),
            "positives": math.log(ours.positives_per_row / theirs.positives_per_row),
            "gini": ours.class_gini - theirs.class_gini,
            "dim": math.log(self.embedding_dim / other.embedding_dim),
        }
        near = math.exp(-0.5 * sum((d / _SCALES[name]) ** 2 for name, d in distances.items()))
        near *= 1.0 if self.metric == other.metric else _OTHER_METRIC
        near *= 1.0 if self.kind == other.kind else _OTHER_KIND
        return _FAR_WEIGHT + (1 - _FAR_WEIGHT) * near


class StoredTask:
    """The curves of one stored task, and what its losses and settings add to what all share."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        first = profiles[0]
        self.name = first.task_name
        self.traits = Traits(first.kind, first.metric, first.statistics, first.embedding_dim)
        metric = Metric.parse(first.metric)
        shown = [p for p in profiles if p.curve]
        scores = [np.array([metric.score(point.value) for point in p.curve]) for p in shown]
        self.level = max((float(s[-1]) for s in scores), default=0.0)
        n_losses = len({p.candidate.loss for p in shown})
        self.breadth = n_losses / (n_losses + _FEW_LOSSES)
        """What it counts for: the best of few losses need not be near the best of all."""
        self.kin = [Kin.of(p.candidate) for p in shown]
        self.ids = {k: p.id for k, p in zip(self.kin, shown, strict=True) if p.id}
        if self.is_usable:
            curves = zip(shown, scores, strict=True)
            self.values = np.array([self._at_knots(p, s) for p, s in curves])
            self.counts = np.array([_counts(p) for p in shown])

    @property
    def is_usable(self) -> bool:
        return self.level > 0

    @cached_property
    def parts(self) -> dict[object, tuple[Array, Array]]:
        """What all share (None), what a loss adds, what a candidate adds; what each counts for."""
        whole = _weighted(self.values, self.counts)
        found: dict[object, tuple[Array, Array]] = {None: (whole, self.counts.max(0))}
        for loss in dict.fromkeys(k.loss for k in self.kin):
            mine = [i for i, k in enumerate(self.kin) if k.loss == loss]
            of_loss = _weighted(self.values[mine], self.counts[mine])
            found[loss] = (of_loss - whole, self.counts[mine].max(0))
            for i in mine:
                found[self.kin[i]] = (self.values[i] - of_loss, self.counts[i])
        return found

    def _at_knots(self, profile: Profile, scores: Array) -> Array:
        log2_steps = [math.log2(max(1.0, p.examples / profile.batch_size)) for p in profile.curve]
        return np.interp(KNOTS, log2_steps, latent(scores / self.level))


def latent(shares: Array) -> Array:
    """Shares of the best on the scale on which they are compared; it rises with them."""
    return -np.log(np.maximum(CEILING - shares, _LEAST_ROOM))


def share_of(latents: Floats) -> Floats:
    """The shares of the best again."""
    return CEILING - np.exp(-latents)


def knot_weights(log2_steps: Array) -> Array:
    """[points, KNOTS]: what each knot counts for where curves are read; they end flat."""
    at = np.clip(log2_steps, KNOTS[0], KNOTS[-1])
    low = np.minimum(at.astype(int), len(KNOTS) - 2)
    weights = np.zeros((len(at), len(KNOTS)))
    rows = np.arange(len(at))
    weights[rows, low], weights[rows, low + 1] = 1 - (at - low), at - low
    return weights


def _counts(profile: Profile) -> Array:
    """What its curve counts for at each knot: all from its first to its last point, less beyond."""
    first, last = (
        math.log2(max(1.0, n / profile.batch_size))
        for n in (profile.curve[0].examples, profile.final_examples)
    )
    outside = np.maximum(np.maximum(KNOTS - last - 0.5, first - 1.5 - KNOTS), 0.0)
    return _BEYOND**outside


def _weighted(values: Array, counts: Array) -> Array:
    return (values * counts).sum(0) / counts.sum(0)
