"""Curves of a trial and of a candidate: best-so-far values, seeds pooled."""

import math
from collections.abc import Callable, Sequence

from advisor.evidence import CurvePoint, Measurement
from advisor.task import Metric


def best_so_far(measurements: Sequence[Measurement], metric: Metric) -> tuple[CurvePoint, ...]:
    """The running best over the finite measurements, since users stop early."""
    points: list[CurvePoint] = []
    best, better = _worst(metric)
    for m in sorted(measurements, key=lambda m: m.examples):
        if m.value is None or m.examples <= 0:
            continue
        best = better(best, m.value)
        points.append(CurvePoint(examples=m.examples, value=best))
    return tuple(points)


def pooled(curves: Sequence[tuple[CurvePoint, ...]], metric: Metric) -> tuple[CurvePoint, ...]:
    """The mean over seeds at the points of the first; only seeds that came as far count."""
    first, *others = [c for c in curves if c] or [()]
    whole = [c for c in others if c[-1].examples >= first[-1].examples]
    best, better = _worst(metric)
    points: list[CurvePoint] = []
    for point in first:
        values = [
            point.value,
            *(v for c in whole if (v := value_at(c, point.examples)) is not None),
        ]
        best = better(best, sum(values) / len(values))
        points.append(CurvePoint(examples=point.examples, value=best))
    return tuple(points)


def _worst(metric: Metric) -> tuple[float, Callable[[float, float], float]]:
    """What every value is better than, and which of two is better."""
    return (math.inf, min) if metric.falls else (-math.inf, max)


def value_at(curve: Sequence[CurvePoint], examples: float) -> float | None:
    """The last value at or before `examples`; None before the first point."""
    reached = [p.value for p in curve if p.examples <= examples * 1.0001]
    return reached[-1] if reached else None


def checkpoints(horizon_examples: int, batch_size: int, n: int = 25) -> tuple[int, ...]:
    """About `n` log-spaced example counts from 1/1000 of the horizon to it, in whole batches."""
    steps = max(1, -(-horizon_examples // batch_size))
    fractions = [1000 ** (-(n - 1 - i) / (n - 1)) for i in range(n)]
    return tuple(sorted({max(1, round(f * steps)) * batch_size for f in fractions}))
