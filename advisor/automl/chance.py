"""How likely a trial that is under way ends as the best, by our forecast of its curve.

The one place of `advisor.automl` that knows `advisor.forecast`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.evidence import Candidate
from advisor.forecast import Curve, Forecast
from advisor.prior import general_prior
from advisor.task import Metric

_STEPS_AT_HORIZON = 2048.0  # of a usual training: the study's own steps are of any unit
_N_DRAWS = 1000


@dataclass(frozen=True)
class Progress:
    """What a trial of some loss has reported: the metric's value by steps done."""

    loss: str
    values: Mapping[int, float]


def chance_of_best(
    trial: Progress, others: Sequence[Progress], metric: Metric, horizon_steps: float
) -> float:
    """P(the trial's best value at the horizon is better than that of the best other), 0 to 1.

    1 where nothing is known of the trial or of any other, and at least a half where it is ahead of
    all others at its own step. Steps begin at 1, in any unit, the same for all; values that are not
    finite are left out.
    """
    # Their settings are in units of the study's own, so each trial is a setting of its loss.
    shown = [(t, c) for t in (trial, *others) if (c := _curve(t, metric, horizon_steps))]
    if len(shown) < 2 or shown[0][0] is not trial:
        return 1.0
    candidates = [Candidate(loss=t.loss, settings={"trial": i}) for i, (t, _) in enumerate(shown)]
    curves = {i: curve for i, (_, curve) in enumerate(shown)}
    forecast = Forecast(candidates, general_prior(len(shown)), curves)
    who, ends = np.arange(len(shown)), np.full(len(shown), _STEPS_AT_HORIZON)
    rival = 1 + int(forecast.mean(who[1:], ends[1:]).argmax())
    drawn = forecast.draws(who[[0, rival]], ends[:2], _N_DRAWS, seed=0)
    chance = float((drawn[:, 0] >= drawn[:, 1]).mean())
    mine, rivals = curves[0], [c for i, c in curves.items() if i]
    is_ahead = all(mine.scores[-1] >= c.at(mine.reach) for c in rivals)
    return max(chance, 0.5) if is_ahead else chance


def _curve(trial: Progress, metric: Metric, horizon_steps: float) -> Curve | None:
    """Its best score so far, by steps of which the horizon has a usual number."""
    finite = {s: v for s, v in trial.values.items() if s > 0 and math.isfinite(v)}
    if not finite:
        return None
    steps = sorted(finite)
    scores = np.maximum.accumulate([metric.score(finite[step]) for step in steps])
    scaled = np.array(steps) * (_STEPS_AT_HORIZON / horizon_steps)
    return Curve(np.maximum(scaled, 1.0), scores)
