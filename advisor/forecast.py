"""The curves at the horizon, with their uncertainty, from the prior and the points measured so far.

All candidates of a task are one Gaussian process: the score's share of the task's level, on the
bank's latent scale, over candidates and log2 of training steps. Around the prior's mean lie
deviations that candidates share by what they have in common: all of the task, a loss, a rate, a
decay, a loss with a rate, a loss with its other settings; near rates share what far ones do not.
So what one curve shows moves the forecast of all that are like it. That early points say little of
the end, and how curves that start flat go on, is in the stored curves.
The level itself is unknown, too: it is weighed on a grid by how well the measured points then agree
with what is expected. The posterior is joint: whatever is compared is drawn from it together.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from advisor.bank import (
    CEILING,
    EFFECTS,
    KNOTS,
    Draws,
    Floats,
    Kin,
    alike,
    knot_weights,
    latent,
    share_of,
)
from advisor.evidence import Candidate
from advisor.prior import Prior

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SEED_SD = 0.012  # of the score: .2% to 1.4% from seed to seed over five tasks
TO_80_PERCENT = 1.2816
METRIC_MAX = 1.0  # of every metric there is

# log2 of the steps over which a deviation is forgotten, as the stored tasks' deviations are.
_REMEMBERED_STEPS = {
    "task": 7.0,
    "loss": 3.0,
    "rate": 2.0,
    "decay": 2.0,
    "loss_rate": 1.7,
    "loss_rest": 1.7,
    "own": 1.7,
}
_READ_EVERY = 1.9  # times as many steps: points of a curve that lie nearer say the same
_LEVELS, _LEVELS_WITHIN_SD = 41, 3.0
# Of what points say of the level: they agree more than their covariance says, and of how densely
# they then lie each would speak anew, though the points of a curve rise and fall together.
_TEMPER, _TEMPER_OF_DENSITY = 0.5, 0.35
_LEAST_SHARE, _LEAST_SCORE = 1e-3, 1e-6  # nothing that was trained is expected to be worth 0
_ABOVE = 1.1  # times the best score so far: where the level is sought first
_LIFTED = 1.02  # a score may lie this far above the level, by chance
_JITTER = 1e-9
_TOLERANCE = 1.0001


@dataclass(frozen=True)
class Curve:
    """Best-so-far scores of a candidate at counts of training steps, both rising."""

    steps: Array
    scores: Array
    n_seeds: int = 1

    @property
    def reach(self) -> float:
        """Steps at its last point."""
        return float(self.steps[-1])

    def thinned(self) -> Iterator[tuple[float, float]]:
        """Its last point and those before it that are far enough from the one after them."""
        after = math.inf
        for steps, score in zip(self.steps[::-1].tolist(), self.scores[::-1].tolist(), strict=True):
            if steps * _READ_EVERY <= after:
                after = steps
                yield steps, score

    def at(self, steps: Array | float) -> Array:
        """Log-interpolated; its last value beyond its end."""
        return np.interp(np.log(np.maximum(steps, 1.0)), np.log(self.steps), self.scores)


class Forecast:
    """The posterior of all candidates of a task; scores are in the metric's rising unit."""

    def __init__(
        self, candidates: Sequence[Candidate], prior: Prior, curves: dict[int, Curve]
    ) -> None:
        """`curves` by the candidate's index; any number of them, also none."""
        self._prior, self._curves = prior, curves
        self._alike = alike([Kin.of(c) for c in candidates])
        self._covariances = {
            effect: sd[:, None] * sd[None, :] * _remembered(effect)
            for effect, sd in prior.sd.items()
        }
        who, log2_steps, scores, noise = _points(curves)
        self._who, self._weights = who, knot_weights(log2_steps)
        covariance = self._between(who, self._weights, who, self._weights)
        self.level = _ABOVE * float(scores.max(initial=_LEAST_SCORE))
        for _ in range(2):  # what noise is on the latent scale depends on where the level is
            spread = latent_noise(scores / self.level, noise) ** 2 + _JITTER
            # Of some hundred points at most: the inverse of the factor is cheap and exact enough.
            factor = np.linalg.cholesky(covariance + np.diag(spread))
            self._whiten: Array = np.linalg.inv(factor).astype(np.float64)
            self._levels, self._weight_of_level, self._pulls = self._weighed(scores)
            self.level = float(np.exp(self._weight_of_level @ np.log(self._levels)))
        """The score of the best candidate at the end of what is stored, as it seems."""

    def mean(self, who: Indices, steps: Array) -> Array:
        """Mean score of candidates at counts of steps."""
        return self._weight_of_level @ self._by_level(who, steps)

    def spread(self, who: Indices, steps: Array) -> Array:
        """Standard deviation of the score, the level's uncertainty in it."""
        by_level = self._by_level(who, steps)
        between = self._weight_of_level @ (by_level - self._weight_of_level @ by_level) ** 2
        variance = self.latent_sd(who, steps) ** 2
        room = np.exp(0.5 * variance - self._latents_by_level(who, steps))
        sd = self._levels[:, None] * room * np.sqrt(np.expm1(variance))
        return np.sqrt(between + self._weight_of_level @ np.minimum(sd, by_level) ** 2)

    def latents(self, who: Indices, steps: Array) -> Array:
        """Mean of the shares of the level on the latent scale, at the level as it seems."""
        weights = knot_weights(_log2(steps))
        pull = self._weight_of_level @ self._pulls
        return (
            self._expected(who, weights)
            + self._between(who, weights, self._who, self._weights) @ pull
        )

    def latent_covariance(
        self, who: Indices, steps: Array, whom: Indices, their_steps: Array
    ) -> Array:
        """Posterior covariance on the latent scale, [points, their points]."""
        ours, theirs = knot_weights(_log2(steps)), knot_weights(_log2(their_steps))
        known = self._explained(who, ours).T @ self._explained(whom, theirs)
        return self._between(who, ours, whom, theirs) - known

    def latent_sd(self, who: Indices, steps: Array) -> Array:
        """Standard deviation on the latent scale."""
        weights = knot_weights(_log2(steps))
        variance = self._own_variance(who, weights) - (self._explained(who, weights) ** 2).sum(0)
        return np.sqrt(np.maximum(variance, _JITTER))

    def draws(self, who: Indices, steps: Array, n: int, seed: int) -> Draws:
        """Joint draws of scores, [n, points]."""
        covariance = self.latent_covariance(who, steps, who, steps)
        covariance[np.diag_indices_from(covariance)] += 10 * _JITTER
        factor = np.linalg.cholesky(covariance).astype(np.float32)
        generator = np.random.default_rng(seed)
        which = generator.choice(len(self._levels), size=n, p=self._weight_of_level)
        noise = _standard_normal(n, len(who), seed) @ factor.T
        noise += self._latents_by_level(who, steps).astype(np.float32)[which]
        return _scores(noise, self._levels.astype(np.float32)[which, None])

    def ways(self, who: Sequence[int], steps: Sequence[Array]) -> list[tuple[Array, Array]]:
        """Score on the way of each of these candidates, and its standard deviation.

        At rising counts of steps of its own for each.
        """
        flat, at = np.repeat(who, [len(s) for s in steps]), np.concatenate(steps)
        ends = np.cumsum([len(s) for s in steps])[:-1]
        means, sds = np.split(self.mean(flat, at), ends), np.split(self.spread(flat, at), ends)
        found: list[tuple[Array, Array]] = []
        for index, its_steps, its_mean, sd in zip(who, steps, means, sds, strict=True):
            mean = self._never_falling(index, its_steps, its_mean)
            if (curve := self._curves.get(index)) is not None:
                seed_sd = SEED_SD / math.sqrt(curve.n_seeds)
                sd = np.where(its_steps <= curve.reach * _TOLERANCE, seed_sd * mean, sd)
            found.append((mean, sd))
        return found

    def paths(self, who: Indices, steps: Array) -> Array:
        """Scores of candidates at rising counts of steps, [candidates, points]."""
        flat = np.repeat(who, steps.shape[1])
        means = self.mean(flat, steps.ravel()).reshape(steps.shape)
        rows = zip(who.tolist(), steps, means, strict=True)
        return np.array([self._never_falling(*row) for row in rows]).reshape(steps.shape)

    def _never_falling(self, index: int, steps: Array, mean: Array) -> Array:
        """Measured as far as it is; best-so-far never falls, so neither does a path."""
        if (curve := self._curves.get(index)) is not None:
            is_measured = steps <= curve.reach * _TOLERANCE
            mean = np.where(is_measured, curve.at(steps), np.maximum(mean, curve.scores[-1]))
        return np.minimum(np.maximum.accumulate(mean), METRIC_MAX)

    def _weighed(self, scores: Array) -> tuple[Array, Array, Array]:
        """Levels, what each counts for, and how the points pull the forecast at each."""
        prior = self._prior
        if not len(scores):
            at = np.linspace(-_LEVELS_WITHIN_SD, _LEVELS_WITHIN_SD, _LEVELS)
            weights = np.exp(-0.5 * at**2)
            levels = np.exp(prior.level + prior.level_sd * at)
            return levels, weights / weights.sum(), np.zeros((_LEVELS, 0))
        top = float(scores.max())
        levels = np.geomspace(top / _LIFTED, 20.0 * top, 4 * _LEVELS)
        latents = latent(scores / levels[:, None])
        white = (latents - self._expected(self._who, self._weights)) @ self._whiten.T
        # The density of the scores, hence the logarithm of how a latent moves with its score.
        moves = latents.sum(1) - len(scores) * np.log(levels)
        of_points = _TEMPER_OF_DENSITY * moves - 0.5 * _TEMPER * (white**2).sum(1)
        of_prior = -0.5 * ((np.log(levels) - prior.level) / prior.level_sd) ** 2
        log_weight = of_points + of_prior
        weights = np.exp(log_weight - log_weight.max())
        keep = weights > 1e-4
        weights = weights[keep] / weights[keep].sum()
        return levels[keep], weights, white[keep] @ self._whiten

    def _by_level(self, who: Indices, steps: Array) -> Array:
        """[levels, points]: mean scores."""
        skew = 0.5 * self.latent_sd(who, steps) ** 2  # the mean lies below the median
        return _scores(self._latents_by_level(who, steps) - skew, self._levels[:, None])

    def _latents_by_level(self, who: Indices, steps: Array) -> Array:
        weights = knot_weights(_log2(steps))
        seen = self._between(self._who, self._weights, who, weights)
        return self._expected(who, weights) + self._pulls @ seen

    def _expected(self, who: Indices, weights: Array) -> Array:
        return (self._prior.mean[who] * weights).sum(1)

    def _between(self, who: Indices, weights: Array, whom: Indices, theirs: Array) -> Array:
        """Prior covariance on the latent scale, [points, their points]."""
        total = np.zeros((len(who), len(whom)))
        for effect in EFFECTS:
            shared = weights @ self._covariances[effect] @ theirs.T
            if effect == "loss":
                shared = shared * np.outer(self._prior.widening[who], self._prior.widening[whom])
            total += shared * self._alike[effect][np.ix_(who, whom)]
        return total

    def _own_variance(self, who: Indices, weights: Array) -> Array:
        total = np.zeros(len(weights))
        for effect in EFFECTS:
            own = ((weights @ self._covariances[effect]) * weights).sum(1)
            total += own * (self._prior.widening[who] ** 2 if effect == "loss" else 1.0)
        return total

    def _explained(self, who: Indices, weights: Array) -> Array:
        """[measured points, points]: what the measured points tell of these."""
        return self._whiten @ self._between(self._who, self._weights, who, weights)


@lru_cache(maxsize=2)
def _standard_normal(n: int, n_points: int, seed: int) -> Draws:
    """Kept, as most answers and asks draw the same: it takes longer than all that is made of it."""
    return np.random.default_rng([seed, 1]).standard_normal((n, n_points), dtype=np.float32)


def latent_noise(shares: Array, relative: Array | float) -> Array:
    """Standard deviation on the latent scale of a relative one of these shares."""
    within = np.minimum(shares, 1.0)
    return relative * within / (CEILING - within)


def _scores(latents: Floats, levels: Floats) -> Floats:
    """The scores at these levels."""
    return np.minimum(levels * np.maximum(share_of(latents), _LEAST_SHARE), METRIC_MAX)


def _points(curves: dict[int, Curve]) -> tuple[Indices, Array, Array, Array]:
    """The measured points that are told: candidate, log2 steps, score, its relative noise."""
    who: list[int] = []
    log2_steps: list[float] = []
    scores: list[float] = []
    noise: list[float] = []
    for index, curve in curves.items():
        for steps, score in curve.thinned():
            who.append(index)
            log2_steps.append(math.log2(max(1.0, steps)))
            scores.append(max(score, _LEAST_SCORE))
            noise.append(SEED_SD / math.sqrt(curve.n_seeds))
    return (
        np.array(who, dtype=np.int64),
        np.array(log2_steps),
        np.array(scores),
        np.array(noise),
    )


def _remembered(effect: str) -> Array:
    return np.exp(-np.abs(KNOTS[:, None] - KNOTS[None, :]) / _REMEMBERED_STEPS[effect])


def _log2(steps: Array) -> Array:
    return np.log2(np.maximum(np.asarray(steps, dtype=float), 1.0))
