"""Curves of a trial and of a candidate: best-so-far values, seeds pooled."""

from collections.abc import Sequence

from advisor.evidence import CurvePoint, Measurement


def best_so_far(measurements: Sequence[Measurement]) -> tuple[CurvePoint, ...]:
    """The running maximum over the finite measurements, since users stop early."""
    points: list[CurvePoint] = []
    best = float("-inf")
    for m in sorted(measurements, key=lambda m: m.examples):
        if m.value is None:
            continue
        best = max(best, m.value)
        points.append(CurvePoint(examples=m.examples, value=best))
    return tuple(points)


def pooled(curves: Sequence[tuple[CurvePoint, ...]]) -> tuple[CurvePoint, ...]:
    """The mean over seeds at every count that all of them reached, else over those that did."""
    by_examples: dict[int, list[float]] = {}
    for curve in curves:
        for point in curve:
            by_examples.setdefault(point.examples, []).append(point.value)
    most = max((len(values) for values in by_examples.values()), default=0)
    full = [e for e, values in by_examples.items() if len(values) == most]
    last_full = max(full, default=0)
    return tuple(
        CurvePoint(examples=e, value=sum(values) / len(values))
        for e, values in sorted(by_examples.items())
        if len(values) == most or e > last_full
    )


def value_at(curve: Sequence[CurvePoint], examples: float) -> float | None:
    """The last value at or before `examples`; None before the first point."""
    reached = [p.value for p in curve if p.examples <= examples * 1.0001]
    return reached[-1] if reached else None


def checkpoints(horizon_examples: int, batch_size: int, n: int = 25) -> tuple[int, ...]:
    """About `n` log-spaced example counts from 1/1000 of the horizon to it, in whole batches."""
    steps = max(1, -(-horizon_examples // batch_size))
    fractions = [1000 ** (-(n - 1 - i) / (n - 1)) for i in range(n)]
    return tuple(sorted({max(1, round(f * steps)) * batch_size for f in fractions}))
