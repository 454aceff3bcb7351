"""The curve at the horizon, with its uncertainty, from the points measured so far.

A bank of Hill curves A / (1 + (tau / t)^k) - they start flat, climb and saturate - is weighted by
how well each explains the best-so-far points; the amplitude A has a prior around what the task's
leaders reach. `docs/decisions/` holds how its intervals were calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_STEEPNESS = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 3.0])
_HALF_TIMES = np.logspace(-3.5, 1.0, 19)  # tau as a fraction of the horizon
_LOG10_HALF_TIME, _LOG10_HALF_TIME_SD = -1.3, 0.9
_NOISE = 0.02  # of the level: evaluation noise and what a Hill curve cannot follow
_TEMPER = 0.35  # points of one curve are correlated: together they count for a third
_GROWTH_SD = 0.06  # of the level, per e-fold still to go: misfit grows with the distance
SEED_SD = 0.012  # of the value: seed to seed, 0.3% to 1.4% in our first measurements
TO_80_PERCENT = 1.2816


@dataclass(frozen=True)
class Forecast:
    """Mean and standard deviation of best-so-far at each of the asked example counts."""

    mean: Array
    sd: Array


def forecast(
    examples: Sequence[float],
    values: Sequence[float],
    at: Sequence[float] | Array,
    horizon: float,
    level: float,
    n_seeds: int = 1,
) -> Forecast:
    """Forecast a curve (best-so-far `values` at cumulative `examples`) at the counts `at`.

    `level` is what the best of the task is known to reach so far, in the metric's unit; a point
    at or before the last measured one is the measurement, with the spread between seeds.
    """
    t, y = np.asarray(examples, dtype=float), np.asarray(values, dtype=float)
    ahead = np.asarray(at, dtype=float)
    seed_sd = SEED_SD / np.sqrt(n_seeds)
    known = np.interp(ahead, t, y)
    is_known = ahead <= t[-1] * 1.0001
    mean, sd = _extrapolate(t, y, ahead, horizon, max(level, float(y[-1]), 1e-9))
    mean = np.where(is_known, known, mean)
    sd = np.where(is_known, 0.0, sd)
    return Forecast(mean, np.hypot(sd, seed_sd * np.maximum(mean, 0.0)))


def _extrapolate(
    t: Array, y: Array, ahead: Array, horizon: float, level: float
) -> tuple[Array, Array]:
    k, tau = (a.ravel() for a in np.meshgrid(_STEEPNESS, _HALF_TIMES * horizon))
    shape = _hill(t, k, tau)
    recent = np.sqrt(t / t[-1])
    precision = _TEMPER * recent / (_NOISE * level) ** 2
    # Conjugate normal update of A for every shape, prior N(level, level / 2).
    prior_mean, prior_precision = level, 4.0 / level**2
    posterior_precision = prior_precision + (shape**2 * precision).sum(1)
    weighted = prior_precision * prior_mean + (shape * precision * y).sum(1)
    amplitude = weighted / posterior_precision
    log_evidence = 0.5 * (
        np.log(prior_precision / posterior_precision) + weighted**2 / posterior_precision
    )
    log_prior = -0.5 * ((np.log10(tau / horizon) - _LOG10_HALF_TIME) / _LOG10_HALF_TIME_SD) ** 2
    weight = np.exp(log_evidence + log_prior - (log_evidence + log_prior).max())
    weight /= weight.sum()
    ratio = _hill(ahead, k, tau)
    # What a shape has not explained at the last point is carried along.
    paths = amplitude[:, None] * (ratio - _hill(t[-1:], k, tau)) + y[-1]
    paths = np.maximum(paths, y[-1])
    mean = weight @ paths
    spread = weight @ (paths - mean) ** 2 + weight @ (ratio**2 / posterior_precision[:, None])
    to_go = np.log(np.maximum(ahead / t[-1], 1.0))
    return mean, np.sqrt(spread + (_GROWTH_SD * level) ** 2 * to_go * np.minimum(to_go, 1.0))


def _hill(t: Array, k: Array, tau: Array) -> Array:
    """[shapes, points]"""
    return 1.0 / (1.0 + (tau[:, None] / t[None, :]) ** k[:, None])
