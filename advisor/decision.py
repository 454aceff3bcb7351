"""From beliefs to a decision: constraints, Pareto front, P(best), expected regret, verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from advisor.bank import Draws
from advisor.belief import Belief
from advisor.recommendation import Verdict
from advisor.task import Trade

Array = npt.NDArray[np.float64]

N_DRAWS = 4000
_RECOMMEND_AT = 0.8
_LEAST_UTILITY = 1e-12
_TIE_WIDTH = 0.01
_TIME_COUNTS_FROM = 0.5  # of the best: a loss that learns nothing is not "fast"


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


def draws_of(candidates: Sequence[Belief], seed: int = 0) -> Draws:
    """Joint draws of the scores at the horizon, [draws, candidates]; 0 where there is no hope."""
    drawn = np.zeros((N_DRAWS, len(candidates)), dtype=np.float32)
    known = [i for i, b in enumerate(candidates) if b.mean and b.forecast is not None]
    if known:
        forecast = candidates[known[0]].forecast
        assert forecast is not None
        who = np.array([candidates[i].index for i in known])
        ends = np.array([candidates[i].horizon_steps for i in known])
        drawn[:, known] = forecast.draws(who, ends, N_DRAWS, seed)
    return drawn


def decide(candidates: Sequence[Belief], draws: Draws, trade: Trade) -> Decision:
    """Rank the losses by utility; infeasible ones come last, with P(best) 0.

    `draws`[draws, candidates] are joint draws of the scores. Utility is the score times
    1 - speed x log2(train_seconds / least) - the same for bytes.
    """
    places = [i for i, b in enumerate(candidates) if b.infeasible is None and b.mean is not None]
    feasible, draws = [candidates[i] for i in places], draws[:, places]
    if not draws.any():
        return _by_theory(candidates)
    factor = _trade_factor(feasible, draws.mean(0), trade)
    utility = draws * factor.astype(np.float32)
    top = utility.max(1, keepdims=True)
    losses = np.array([b.candidate.loss for b in feasible])
    # What a pick is expected to have of the best there is: 1 less its expected regret.
    expected = (utility / np.maximum(top, _LEAST_UTILITY)).mean(0)
    best = {
        name: int(np.flatnonzero(losses == name)[expected[losses == name].argmax()])
        for name in dict.fromkeys(losses.tolist())
    }
    winners = losses[_winners(utility == top)]
    p_best = {name: float((winners == name).mean()) for name in best}
    order = sorted(best, key=lambda name: -expected[best[name]])
    verdict, order = _verdict(
        order, p_best, {n: draws[:, i] for n, i in best.items()}, feasible, best
    )
    regret = 1.0 - float(expected[best[order[0]]])
    front = _pareto([feasible[best[n]] for n in order])
    ranked = [
        Entry(feasible[best[name]], p_best[name], is_front)
        for name, is_front in zip(order, front, strict=True)
    ]
    return Decision((*ranked, *_rest(candidates, set(order))), verdict, regret)


def _winners(is_top: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """[draws]: whose utility is the highest; those that share it win equally often."""
    winners = is_top.argmax(1)
    shared = np.flatnonzero(is_top.sum(1) > 1)
    chance = np.random.default_rng([0, 2]).random((len(shared), is_top.shape[1]))
    winners[shared] = np.where(is_top[shared], chance, -1.0).argmax(1)
    return winners


def _trade_factor(feasible: Sequence[Belief], mean: Draws, trade: Trade) -> Array:
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
    draws: dict[str, Draws],
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
