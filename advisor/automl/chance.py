"""How likely a trial that is under way ends as the best, by our forecast of its curve."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.automl.outlook import Blind, Outlook
from advisor.evidence import Candidate
from advisor.forecast import Curve, Forecast
from advisor.task import Metric

_N_DRAWS = 4000
_N_OTHERS = 16  # the best of them: points of curves cost by their cube


@dataclass(frozen=True)
class Progress:
    """What a trial of a candidate has reported: the metric's value by steps done."""

    candidate: Candidate
    values: Mapping[int, float]


def chance_of_best(
    trial: Progress,
    others: Sequence[Progress],
    metric: Metric,
    horizon_steps: float,
    outlook: Outlook | Blind,
) -> float:
    """P(the trial's best value at the horizon is better than that of the best other), 0 to 1.

    1 where no other has told anything, and where it is ahead of the best others at its own step.
    Steps begin at 1, in any unit, the same for all; values that are not finite are left out.
    """
    mine = _curve(trial, metric, horizon_steps, outlook)
    rivals = _best(others, metric, horizon_steps, outlook)
    if not rivals or (mine and all(mine.scores[-1] >= c.at(mine.reach) for _, c in rivals)):
        return 1.0
    known = [outlook.nearest(trial.candidate), *(k for k, _ in rivals)]
    curves = {i: c for i, (_, c) in enumerate(rivals, start=1)} | ({0: mine} if mine else {})
    # Each trial is a setting of its own, however like another's it is.
    apart = [
        Candidate(loss=k.loss, settings={**k.settings, "trial": i}) for i, k in enumerate(known)
    ]
    forecast = Forecast(apart, outlook.prior(known), curves)
    who, ends = np.arange(len(known)), np.array([outlook.horizon_steps(k) for k in known])
    rival = 1 + int(forecast.mean(who[1:], ends[1:]).argmax())
    two = np.array([0, rival])
    drawn = forecast.draws(two, ends[two], _N_DRAWS, seed=0)
    return float((drawn[:, 0] >= drawn[:, 1]).mean())


def _best(
    others: Sequence[Progress], metric: Metric, horizon_steps: float, outlook: Outlook | Blind
) -> list[tuple[Candidate, Curve]]:
    """The others that came furthest up, and how."""
    best = min if metric.falls else max
    reached = [(best(v), o) for o in others if (v := [v for _, v in _told(o)])]
    reached.sort(key=lambda found: found[0], reverse=not metric.falls)
    return [
        (outlook.nearest(o.candidate), curve)
        for _, o in reached[:_N_OTHERS]
        if (curve := _curve(o, metric, horizon_steps, outlook))
    ]


def _told(trial: Progress) -> list[tuple[int, float]]:
    """Steps and values that count."""
    return [(s, v) for s, v in trial.values.items() if s > 0 and math.isfinite(v)]


def _curve(
    trial: Progress, metric: Metric, horizon_steps: float, outlook: Outlook | Blind
) -> Curve | None:
    """Its best score so far by training steps; None where it has told nothing."""
    told = sorted(_told(trial))
    if not told:
        return None
    factor = outlook.horizon_steps(outlook.nearest(trial.candidate)) / horizon_steps
    steps = np.maximum(np.array([step for step, _ in told]) * factor, 1.0)
    return Curve(steps, np.maximum.accumulate([metric.score(value) for _, value in told]))
