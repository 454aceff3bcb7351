"""What the next piece of budget is worth.

While a whole training can still be paid, the candidate whose training to the horizon is expected to
improve most, per second, on the best that is known (Snoek et al., Practical Bayesian optimization,
2012, section 3.2): what is left of the budget is then spent on few candidates that end, not on many
that begin. Where nothing is stored, and once something has come to its end, the knowledge gradient
per second: a leg is worth what its last measurement is expected to add to the score of the best
candidate at the horizon, over all that this measurement would say of all candidates (Frazier et
al., The knowledge-gradient policy for correlated normal beliefs, 2009). It is asked at several
lengths, as a short leg may say nothing and a long one cost too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from advisor.bank import share_of
from advisor.forecast import SEED_SD, Forecast, latent_noise

Array = npt.NDArray[np.float64]

_N_LEVELS = 24  # of what a measurement may show, equally likely
_AHEAD = (2, 4, 16)  # lengths of a leg as multiples of what is trained; and to the horizon
_FIRST = (1 / 64, 1 / 16, 1 / 4)  # of the horizon, for a first leg


@dataclass(frozen=True)
class Contender:
    """A candidate in the race: how far its first trial has come, and its horizon, in examples."""

    index: int
    examples: int
    horizon_examples: int
    n_seeds: int
    batch_size: int

    @property
    def is_at_horizon(self) -> bool:
        return self.examples >= self.horizon_examples

    def is_over(self, whole: bool) -> bool:
        """Whether its first trial goes no further: one that is trained `whole` has one go."""
        return self.is_at_horizon or (whole and self.examples > 0)


@dataclass(frozen=True)
class Option:
    """A stretch of training that may be asked, of the trial with this seed (0 is the first)."""

    contender: Contender
    seed_index: int
    from_examples: int
    until_examples: int


def options(contenders: Sequence[Contender], max_seeds: int, whole: bool = False) -> list[Option]:
    """Every stretch that may be trained next: first trials further, or a further seed.

    With `whole` a trial is trained from its start to the horizon, or not at all.
    """
    found: list[Option] = []
    for contender in contenders:
        last = contender.horizon_examples
        if contender.is_at_horizon:
            if contender.n_seeds < max_seeds:
                found.append(Option(contender, contender.n_seeds, 0, last))
        elif not whole:
            found += [Option(contender, 0, contender.examples, n) for n in _lengths(contender)]
        elif not contender.examples:
            found.append(Option(contender, 0, 0, last))
    return found


def gains(found: Sequence[Option], contenders: Sequence[Contender], forecast: Forecast) -> Array:
    """[options]: expected gain of the best mean at the horizon, on the forecast's latent scale."""
    who = np.array([c.index for c in contenders])
    ends = np.array([c.horizon_examples / c.batch_size for c in contenders])
    asked = np.array([o.contender.index for o in found])
    steps = np.array([o.until_examples / o.contender.batch_size for o in found])
    mean = forecast.latents(who, ends)
    noise = latent_noise(share_of(forecast.latents(asked, steps)), SEED_SD)
    variance = forecast.latent_sd(asked, steps) ** 2 + noise**2
    moved = forecast.latent_covariance(who, ends, asked, steps) / np.sqrt(variance)
    total = np.zeros(len(found))
    for level in _levels():
        total += (mean[:, None] + moved * level).max(0) - mean.max()
    return total / _N_LEVELS


def improvements(draws: Array, is_known: npt.NDArray[np.bool_]) -> Array:
    """[candidates]: what knowing each at its horizon is expected to add to the best that one has.

    `draws`[draws, candidates] are joint ones of the scores at the horizon, `is_known` who is there
    already. One has the best of those, or what is expected of the best of the others.
    """
    mean = draws.mean(0)
    known = np.where(is_known, draws, -np.inf).max(1)
    unknown = np.where(is_known, -np.inf, mean)
    best = int(unknown.argmax())
    others = np.full(len(mean), unknown[best])
    others[best] = np.delete(unknown, best).max(initial=-np.inf)
    then = np.maximum(np.maximum(known[:, None], draws), others).mean(0)
    return np.where(is_known, 0.0, then - np.maximum(known, unknown[best]).mean())


def _lengths(contender: Contender) -> list[int]:
    last = contender.horizon_examples
    if contender.examples:
        wanted = [factor * contender.examples for factor in _AHEAD]
    else:
        wanted = [share * last for share in _FIRST]
    whole = (-(-int(n) // contender.batch_size) * contender.batch_size for n in (*wanted, last))
    return sorted({min(n, last) for n in whole if n > contender.examples})


def _levels() -> list[float]:
    normal = NormalDist()
    return [normal.inv_cdf((i + 0.5) / _N_LEVELS) for i in range(_N_LEVELS)]
