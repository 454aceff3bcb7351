"""How likely a trial that is under way ends as the best, by our forecast of its curve.

The one place of `advisor.automl` that knows `advisor.forecast`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from advisor.forecast import Curve, Field, Outlook
from advisor.task import Metric


@dataclass(frozen=True)
class Progress:
    """What a trial of some loss has reported: the metric's value by steps done."""

    loss: str
    values: Mapping[int, float]


def chance_of_best(
    trial: Progress, others: Sequence[Progress], metric: Metric, horizon_steps: float
) -> float:
    """P(the trial's best value at the horizon is better than that of every other), 0 to 1.

    1 where nothing is known of the trial or of any other. Steps begin at 1, in any unit, the same
    for all; values that are not finite are left out.
    """
    curve = _curve(trial, metric, horizon_steps)
    rivals = [c for other in others if (c := _curve(other, metric, horizon_steps)) is not None]
    if curve is None or not rivals:
        return 1.0
    field = Field([curve, *rivals])
    best = max((field.outlook(rival, 1) for rival in rivals), key=lambda outlook: outlook.mean)
    # The best trial of its own loss may have had poor settings: it is set against all of them too.
    of_any_loss = replace(curve, loss="")
    return max(_is_above(field.outlook(seen_as, 1), best) for seen_as in (curve, of_any_loss))


def _is_above(mine: Outlook, best: Outlook) -> float:
    spread = math.hypot(mine.sd, best.sd)
    if spread == 0.0:
        return float(mine.mean >= best.mean)
    return NormalDist().cdf((mine.mean - best.mean) / spread)


def _curve(trial: Progress, metric: Metric, horizon_steps: float) -> Curve | None:
    """Its best score so far by steps."""
    finite = {s: v for s, v in trial.values.items() if s > 0 and math.isfinite(v)}
    if not finite:
        return None
    steps = sorted(finite)
    scores: list[float] = []
    for step in steps:
        score = metric.score(finite[step])
        scores.append(max(score, scores[-1]) if scores else score)
    return Curve.of(steps, scores, horizon_steps, trial.loss)
