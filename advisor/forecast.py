"""The curves at the horizon, with their uncertainty, from the points measured so far.

The reference is the best of the curves that have come far - of the same loss, once one of them is
there, else of all: what it will reach is shared by the forecasts, so its uncertainty widens what is
shown of a candidate but not a comparison. Every other candidate is set against its reference at the
same share of the horizon: early differences say little of the end (a small learning rate starts low
and ends level), later ones stay, and what it gained on the reference lately goes on for a while.
`docs/decisions/` holds how this was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SEED_SD = 0.009  # of the value: 0.2% to 1.4% from seed to seed over five tasks
TO_80_PERCENT = 1.2816

# log(final / reference's final) = keep * ahead + climb * (ahead - ahead half as far) + N(0, sd^2),
# where ahead = log(value / reference's value) at the same share of the horizon; by log2 of the
# share. Regressions over full grids of three tasks, each at three horizons; see docs/decisions.
_LOG2_SHARE = np.array([-8.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0])
_KEEP = np.array([0.15, 0.15, 0.20, 0.28, 0.40, 0.69, 1.0])
_CLIMB = np.array([0.0, 0.0, 0.0, 0.10, 0.58, 0.57, 0.0])
_RELATIVE_SD = np.array([0.23, 0.23, 0.23, 0.23, 0.20, 0.115, 0.0])
# A good curve that has not risen over the last doubling, after a fifth of the horizon, has peaked;
# one far behind may stand on the plateau where it has learnt the popularity of classes only.
_PEAKED_FROM, _PEAKED_AHEAD, _PEAKED_SD = 0.2, -0.25, 0.02
_FAR_ENOUGH = 0.25  # of the furthest reach: a curve that ran far on a plateau is no measure
_GAP = 0.4  # of the spread: how far the typical loss ends below the best one
_KNOTS_PER_DOUBLING, _GAINED_AT_MOST = 2, 0.5

_STEEPNESS = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 3.0])
_HALF_TIMES = np.logspace(-3.5, 1.0, 19)  # as shares of the horizon
_LOG10_HALF_TIME, _LOG10_HALF_TIME_SD = -1.3, 0.9
_GROWTH, _GROWTH_SD = 0.2, 0.5  # prior of the final level: value x share^-0.2, give or take half
_NOISE = 0.03  # of the level: evaluation noise and what these shapes cannot follow
_TEMPER = 0.1  # points of one curve are strongly correlated: ten count for one
_MISFIT_SD = 0.12  # of the level, per root of the e-folds still to go
_TINY = 1e-9
METRIC_MAX = 1.0  # of every metric there is


@dataclass(frozen=True)
class Curve:
    """Best-so-far values at shares of the candidate's own horizon, both rising."""

    shares: Array
    values: Array
    loss: str

    @classmethod
    def of(
        cls, examples: Sequence[float], values: Sequence[float], horizon: float, loss: str = ""
    ) -> "Curve":
        """The curve up to the horizon; what was measured beyond it does not count."""
        shares, heights = np.asarray(examples, dtype=float) / horizon, np.asarray(values, float)
        if shares[-1] > 1.0:
            before = shares < 1.0
            there = np.interp(0.0, np.log(shares), heights)
            shares = np.append(shares[before], 1.0)
            heights = np.append(heights[before], there)
        return cls(shares, heights, loss)

    @property
    def reach(self) -> float:
        """The share of the horizon it has come to, at most 1."""
        return float(min(1.0, self.shares[-1] * 1.0001))

    @property
    def has_peaked(self) -> bool:
        """Whether the best value so far is older than half of all its examples."""
        if self.reach < _PEAKED_FROM:
            return False
        before = self.values[self.shares <= self.shares[-1] / 2]
        return bool(len(before)) and float(before[-1]) >= float(self.values[-1])

    def at(self, shares: Array) -> Array:
        """Its values at these shares, log-interpolated; NaN beyond its reach, 0 before it began."""
        inside = np.interp(np.log(shares), np.log(self.shares), self.values, left=0.0)
        return np.where(shares <= self.reach, inside, np.nan)


@dataclass(frozen=True)
class Outlook:
    """One candidate at the horizon: mean and its own spread, in the metric's unit.

    `level_sd` is the relative spread of the reference it was set against, shared with others.
    """

    mean: float
    sd: float
    level_sd: float = 0.0


class Field:
    """All curves of a task together: the reference, and where each stands against it."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._knots = 2.0 ** np.arange(-16.0, 0.1, 1 / _KNOTS_PER_DOUBLING)
        there = [c for c in curves if c.reach >= 1.0]
        self._of_loss = {
            loss: max((c for c in there if c.loss == loss), key=_last)
            for loss in {c.loss for c in there}
        }
        furthest = max(c.reach for c in curves)
        ends = [(_end(c), c) for c in curves if c.reach >= _FAR_ENOUGH * furthest]
        (self.level, sd), self._reference = max(ends, key=lambda pair: pair[0][0])
        self.level_sd = sd / self.level

    def outlook(self, curve: Curve, n_seeds: int) -> Outlook:
        """A candidate at the horizon: its measurement there, or its share of the level."""
        seed_sd, last = SEED_SD / np.sqrt(n_seeds), float(curve.values[-1])
        if curve.reach >= 1.0:
            value = float(curve.at(np.array([1.0]))[0])
            return Outlook(value, seed_sd * value)
        reference = self._of_loss.get(curve.loss, self._reference)
        ahead, gained = self._against(curve, reference)
        if curve.has_peaked and ahead > _PEAKED_AHEAD:
            return Outlook(last, float(np.hypot(_PEAKED_SD, seed_sd)) * last)
        log2_share = float(np.log2(curve.reach))
        keep, climb, sd = (
            float(np.interp(log2_share, _LOG2_SHARE, table))
            for table in (_KEEP, _CLIMB, _RELATIVE_SD)
        )
        growth = keep * ahead + climb * gained
        if reference.loss == curve.loss:
            shared = reference is self._reference
            level, level_sd = (self.level, self.level_sd) if shared else (_last(reference), 0.0)
        else:
            # The best of another loss: a lead over it early on is pace, not height.
            level, level_sd = self.level, self.level_sd
            growth = min(0.0, growth) - _GAP * sd
        mean = level * float(np.exp(growth))
        mean = min(max(last, mean), METRIC_MAX)
        return Outlook(mean, mean * float(np.hypot(sd, seed_sd)), level_sd)

    def path(self, curve: Curve, outlook: Outlook, shares: Array) -> tuple[Array, Array]:
        """Mean and standard deviation on the way: measured, then growing to the outlook."""
        last, reach = float(curve.values[-1]), curve.reach
        measured = shares <= reach
        if reach >= 1.0:
            mean = curve.at(np.minimum(shares, 1.0))
            return mean, outlook.sd * np.ones_like(mean)
        grown, _ = _grow(curve, np.append(np.maximum(shares, reach), 1.0))
        rise = (grown - last) / max(float(grown[-1]) - last, _TINY)
        ahead = last + (outlook.mean - last) * np.clip(rise[:-1], 0.0, 1.0)
        to_go = np.log(np.maximum(shares, reach) / reach) / -np.log(reach)
        mean = np.where(measured, np.nan_to_num(curve.at(np.minimum(shares, reach))), ahead)
        sd = np.where(measured, SEED_SD * mean, np.hypot(SEED_SD * mean, outlook.sd * to_go**0.5))
        return mean, sd

    def _against(self, curve: Curve, reference: Curve) -> tuple[float, float]:
        """log of its value over the reference's where it stands, and what it gained lately."""
        ours, theirs = curve.at(self._knots), reference.at(self._knots)
        both = np.isfinite(ours) & (np.nan_to_num(theirs) > 0)
        if not both.any():
            return 0.0, 0.0
        last = int(np.flatnonzero(both)[-1])
        ahead = _log_ratio(ours[last], theirs[last])
        before = last - _KNOTS_PER_DOUBLING
        if before < 0 or not both[before] or ours[before] <= 0:
            return ahead, 0.0
        gained = ahead - _log_ratio(ours[before], theirs[before])
        return ahead, float(np.clip(gained, -_GAINED_AT_MOST, _GAINED_AT_MOST))


def _log_ratio(ours: float, theirs: float) -> float:
    """log(ours / theirs); a curve that is still flat is a hundredth, not zero."""
    return float(np.log(max(ours, 0.01 * theirs, _TINY) / max(theirs, _TINY)))


def _last(curve: Curve) -> float:
    return float(curve.values[-1])


def _end(curve: Curve) -> tuple[float, float]:
    """Mean and sd of where a curve ends by itself."""
    if curve.reach >= 1.0:
        return max(_last(curve), _TINY), 0.0
    mean, sd = _grow(curve, np.array([1.0]))
    return max(float(mean[0]), _TINY), float(sd[0])


def _grow(curve: Curve, shares: Array) -> tuple[Array, Array]:
    """Mean and sd of a single curve at later shares, by a bank of growth curves.

    A x^k / (1 + x^k) saturates slowly (Hill), A (1 - exp(-x^k)) fast (Weibull), x = share / tau.
    Each is weighted by how well it explains the points, its amplitude A updated in closed form.
    """
    t, y = curve.shares, curve.values
    last = max(float(y[-1]), _TINY)
    shape = _shapes(t)
    precision = _TEMPER * np.sqrt(t / t[-1]) / (_NOISE * last) ** 2
    prior_mean = last * max(1.0, 1.0 / t[-1]) ** _GROWTH
    prior_precision = (_GROWTH_SD * prior_mean) ** -2
    posterior_precision = prior_precision + (shape**2 * precision).sum(1)
    weighted = prior_precision * prior_mean + (shape * precision * y).sum(1)
    amplitude = weighted / posterior_precision
    log_evidence = 0.5 * (
        np.log(prior_precision / posterior_precision) + weighted**2 / posterior_precision
    )
    log_weight = log_evidence + _log_prior()
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    ratio = _shapes(shares)
    # What a shape has not explained at the last point is carried along; best-so-far never falls.
    paths = np.clip(amplitude[:, None] * (ratio - shape[:, -1:]) + y[-1], y[-1], METRIC_MAX)
    mean = weight @ paths
    spread = weight @ (paths - mean) ** 2 + weight @ (ratio**2 / posterior_precision[:, None])
    to_go = np.log(np.maximum(shares / t[-1], 1.0))
    return mean, np.sqrt(spread + (_MISFIT_SD * last) ** 2 * to_go)


def _shapes(t: Array) -> Array:
    """[shapes, points]: all Hill curves, then all Weibull curves."""
    k, tau = (a.reshape(-1, 1) for a in np.meshgrid(_STEEPNESS, _HALF_TIMES))
    power = (t[None, :] / tau) ** k
    return np.concatenate([power / (1.0 + power), -np.expm1(-power)])


def _log_prior() -> Array:
    tau = np.tile(np.meshgrid(_STEEPNESS, _HALF_TIMES)[1].ravel(), 2)
    distance = (np.log10(tau) - _LOG10_HALF_TIME) / _LOG10_HALF_TIME_SD
    return -0.5 * distance**2
