"""From beliefs to a decision: constraints, Pareto front, P(best), expected regret, verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from advisor.belief import Belief
from advisor.forecast import METRIC_MAX
from advisor.recommendation import Verdict
from advisor.task import Trade

Array = npt.NDArray[np.float64]

_N_DRAWS = 4000
_RECOMMEND_AT = 0.8
_TIE_BREAK = 1e-12
_TIE_WIDTH = 0.01
_CAUTION = 1.0  # the pick is the highest mean less so many standard deviations
_TIME_COUNTS_FROM = 0.5  # of the best mean: a loss that learns nothing is not "fast"

# Spread of what a curve's end adds to what is seen of it, by what candidates have in common.
_SHARED_SD = (
    (("loss",), 0.2),
    (("learning_rate",), 0.2),
    (("weight_decay",), 0.06),
    (("loss", "learning_rate"), 0.12),
)
_OWN_SD = 0.06


@dataclass(frozen=True)
class Entry:
    """A loss at its best settings, with the probability that this loss is the best."""

    belief: Belief
    p_best: float
    is_pareto: bool


@dataclass(frozen=True)
class Decision:
    """The ranking, best first, and what may be said of it."""

    entries: tuple[Entry, ...]
    verdict: Verdict
    expected_regret: float | None


def decide(candidates: Sequence[Belief], trade: Trade, seed: int = 0) -> Decision:
    """Rank the losses by expected utility; infeasible ones come last, with P(best) 0.

    Utility is the metric times 1 - speed x log2(train_seconds / least) - the same for bytes.
    """
    feasible = [b for b in candidates if b.infeasible is None and b.mean is not None]
    if not any(b.mean for b in feasible):
        return _by_theory(candidates)
    mean = np.array([b.mean or 0.0 for b in feasible])
    sd, chance_sd = (
        np.array(x) for x in zip(*((b.sd, b.chance_sd) for b in feasible), strict=True)
    )
    factor = _trade_factor(feasible, mean, trade)
    caution = (mean - _CAUTION * sd) * factor
    measured = np.array([b.is_measured for b in feasible])
    if measured.any():  # what nobody has trained may be best, but is not what one recommends
        caution = np.where(measured, caution, caution - 2 * mean.max())
    generator = np.random.default_rng(seed)
    draws = np.clip(mean + chance_sd * _noise(feasible, generator), 0.0, METRIC_MAX)
    draws += _TIE_BREAK * generator.random(draws.shape)  # equal values win equally often
    utility = draws * factor
    losses = np.array([b.candidate.loss for b in feasible])
    winners = losses[utility.argmax(1)]
    best = {
        name: int(np.flatnonzero(losses == name)[caution[losses == name].argmax()])
        for name in dict.fromkeys(losses.tolist())
    }
    p_best = {name: float((winners == name).mean()) for name in best}
    order = sorted(best, key=lambda name: -caution[best[name]])
    verdict, order = _verdict(
        order, p_best, {n: draws[:, i] for n, i in best.items()}, feasible, best
    )
    chosen = utility[:, best[order[0]]]
    top = utility.max(1)
    regret = float((top.mean() - chosen.mean()) / top.mean()) if top.mean() > 0 else None
    front = _pareto([feasible[best[n]] for n in order])
    ranked = [
        Entry(feasible[best[name]], p_best[name], is_front)
        for name, is_front in zip(order, front, strict=True)
    ]
    return Decision((*ranked, *_rest(candidates, set(order))), verdict, regret)


def _noise(feasible: Sequence[Belief], generator: np.random.Generator) -> Array:
    """Standard normal draws [draws, candidates]; what is unknown of a curve is mostly shared.

    A loss, and a learning rate, that turns out better than it looks does so with every setting:
    drawn apart, the best of many wide beliefs would beat any measured one. What is at its horizon
    has only its own noise.
    """
    total = np.zeros((_N_DRAWS, len(feasible)))
    for names, share in _SHARED_SD:
        keys = [
            tuple(b.candidate.settings.get(n, b.candidate.loss) for n in names) for b in feasible
        ]
        groups = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        drawn = generator.standard_normal((_N_DRAWS, len(groups)))
        total += share * drawn[:, [groups[key] for key in keys]]
    own = generator.standard_normal(total.shape)
    scale = math.sqrt(sum(share**2 for _, share in _SHARED_SD) + _OWN_SD**2)
    at_horizon = np.array([b.is_at_horizon for b in feasible])
    return np.where(at_horizon, own, (total + _OWN_SD * own) / scale)


def _trade_factor(feasible: Sequence[Belief], mean: Array, trade: Trade) -> Array:
    counts = mean >= _TIME_COUNTS_FROM * mean.max()
    seconds = [b.train_seconds.mean if b.train_seconds else math.nan for b in feasible]
    peak = [float(b.cost.peak_bytes or math.nan) for b in feasible]
    lost = trade.speed * _doublings(np.array(seconds), counts)
    lost = lost + trade.memory * _doublings(np.array(peak), counts)
    return np.maximum(1.0 - lost, 0.0)


def _doublings(amount: Array, counts: npt.NDArray[np.bool_]) -> Array:
    """log2 of the amount over the least of those that count; 0 below it and where unknown."""
    known = amount[counts & np.isfinite(amount) & (amount > 0)]
    if not len(known):
        return np.zeros_like(amount)
    ratio = np.where(np.isfinite(amount) & (amount > 0), amount, known.min()) / known.min()
    return np.maximum(np.log2(ratio), 0.0)


def _verdict(
    order: list[str],
    p_best: dict[str, float],
    draws: dict[str, Array],
    feasible: Sequence[Belief],
    best: dict[str, int],
) -> tuple[Verdict, list[str]]:
    if p_best[order[0]] >= _RECOMMEND_AT or len(order) == 1:
        return "recommended", order
    leaders: list[str] = []
    for name in sorted(order, key=lambda n: -p_best[n]):
        leaders.append(name)
        if sum(p_best[n] for n in leaders) >= _RECOMMEND_AT:
            break
    if order[0] not in leaders:
        leaders.append(order[0])
    metric = np.stack([draws[n] for n in leaders])
    within = metric.min(0) >= (1 - _TIE_WIDTH) * metric.max(0)
    if float(within.mean()) < _RECOMMEND_AT:
        return "not_enough_evidence", order

    def seconds(name: str) -> float:
        spent = feasible[best[name]].train_seconds
        return spent.mean if spent else math.inf

    cheapest_first = sorted(leaders, key=seconds)
    return "tied", [*cheapest_first, *(n for n in order if n not in leaders)]


def _pareto(entries: Sequence[Belief]) -> list[bool]:
    """Whether no other loss is at least as good in metric, seconds and bytes, and better in one."""
    rows = np.array(
        [
            [
                -(b.mean or 0.0),
                b.train_seconds.mean if b.train_seconds else math.inf,
                float(b.cost.peak_bytes or 0),
            ]
            for b in entries
        ]
    )
    beaten = [((rows <= row).all(1) & (rows < row).any(1)).any() for row in rows]
    return [not bool(b) for b in beaten]


def _rest(candidates: Sequence[Belief], ranked: set[str]) -> list[Entry]:
    """One entry for every loss that has no feasible candidate."""
    rest: dict[str, Belief] = {}
    for belief in candidates:
        if belief.candidate.loss not in ranked:
            rest.setdefault(belief.candidate.loss, belief)
    return [Entry(belief, 0.0, False) for belief in rest.values()]


def _by_theory(candidates: Sequence[Belief]) -> Decision:
    """Nothing measured anywhere: every feasible loss is as likely; the caller orders by card."""
    first: dict[str, Belief] = {}
    for belief in candidates:
        if belief.infeasible is None:
            first.setdefault(belief.candidate.loss, belief)
    entries = [Entry(b, 1 / len(first), False) for b in first.values()]
    verdict = "recommended" if len(first) == 1 else "not_enough_evidence"
    return Decision((*entries, *_rest(candidates, set(first))), verdict, None)
