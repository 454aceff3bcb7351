"""What training steps cost where nobody could probe: from the seconds that trainers told.

A loss that was trained has its own cost; one that was not is priced by its card's formula, in
proportion to what the trained ones took over theirs.
"""

from collections.abc import Sequence

import numpy as np

from advisor.cost import cost_of, price_bytes, shape_of
from advisor.evidence import Candidate, LegReport, Profile, StepCost
from advisor.task import Task, TaskStatistics
from advisor.value import Interval

_ALONE = (0.8, 1.25)  # around one leg's seconds per example
_IN_PROPORTION = 2.0  # either side: formulas order losses well, and miss each by about that


def told_costs(
    task: Task,
    statistics: TaskStatistics,
    space: dict[str, tuple[Candidate, ...]],
    told: Sequence[LegReport],
    profiles: Sequence[Profile] = (),
) -> tuple[StepCost, ...]:
    """The step cost of every shape in the space; none before a leg has told its seconds.

    Shapes of losses that `profiles` (of the same device) know are left to those.
    """
    shapes = {shape_of(c).key: shape_of(c) for group in space.values() for c in group}
    seconds = _seconds_per_example(told)
    measured = [shape for key, shape in shapes.items() if key in seconds]
    if not measured:
        return ()
    price = {key: _price(shape, task, statistics) for key, shape in shapes.items()}
    ratio = float(np.median([np.median(seconds[s.key]) / price[s.key] for s in measured]))
    known = {profile.candidate.loss for profile in profiles if profile.step_seconds}
    batch_size = task.training.batch_size
    peak_bytes = _peak_bytes(told)
    costs: list[StepCost] = []
    for key, shape in shapes.items():
        if key in seconds:
            step, detail = _measured(seconds[key]), "told by trainers"
        elif shape.loss not in known:
            step, detail = _proportional(ratio * price[key]), "its formula, in proportion to others"
        else:
            continue
        costs.append(
            StepCost(
                candidate=shape,
                outcome="completed",
                batch_size=batch_size,
                step_seconds=_scaled(step, batch_size),
                peak_bytes=peak_bytes.get(key) or price_bytes(shape, task, statistics),
                detail=detail,
            )
        )
    return tuple(costs)


def _seconds_per_example(told: Sequence[LegReport]) -> dict[str, list[float]]:
    """Per cost shape, of every leg that told its seconds."""
    found: dict[str, list[float]] = {}
    for report in told:
        trained = report.examples - report.leg.from_examples
        if trained > 0 and report.train_seconds > 0:
            key = shape_of(report.leg.trial.candidate).key
            found.setdefault(key, []).append(report.train_seconds / trained)
    return found


def _peak_bytes(told: Sequence[LegReport]) -> dict[str, int]:
    found: dict[str, int] = {}
    for report in told:
        key = shape_of(report.leg.trial.candidate).key
        found[key] = max(found.get(key, 0), report.peak_bytes or 0)
    return found


def _price(shape: Candidate, task: Task, statistics: TaskStatistics) -> float:
    per_example = cost_of(shape, task, statistics, None).seconds_per_example
    assert per_example is not None  # a formula always gives one
    return per_example.mean


def _measured(seconds: Sequence[float]) -> Interval:
    if len(seconds) == 1:
        low, high = (factor * seconds[0] for factor in _ALONE)
        return Interval(low=low, mean=seconds[0], high=high)
    low, median, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return Interval(low=low, mean=median, high=high)


def _proportional(seconds: float) -> Interval:
    return Interval(low=seconds / _IN_PROPORTION, mean=seconds, high=seconds * _IN_PROPORTION)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(
        low=interval.low * factor, mean=interval.mean * factor, high=interval.high * factor
    )
