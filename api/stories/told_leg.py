"""What a tell says of a leg: its new measurements, and what came of it if it has ended."""

import math

from advisor.ask_tell import Telling
from advisor.errors import TellInvalidError
from advisor.evidence import LegReport, Measurement, Outcome
from advisor.task import Metric
from store.leases import Held, HeldLease


def new_points(held: Held, lease: HeldLease, telling: Telling) -> list[Measurement]:
    """What is new of what was told; raises TellInvalidError for what cannot be of this leg."""
    leg, metric = lease.lease.leg, held.calibration.task.parsed_metric
    known = {point.examples for point in lease.measurements}
    points: dict[int, Measurement] = {}
    for i, told in enumerate(telling.measurements):
        where = f"measurements.{i}"
        if not leg.from_examples < told.examples <= leg.until_examples:
            raise TellInvalidError(
                f"{where}.examples: {told.examples} is not above {leg.from_examples} and at most "
                f"{leg.until_examples}, as this leg is"
            )
        _check_value(metric, told.value, f"{where}.value")
        if told.examples not in known:
            seconds = told.seconds
            if seconds is None:
                seconds = _seconds(held, lease, telling, told.examples)
            point = Measurement(
                examples=told.examples,
                seconds=seconds,
                value=told.value,
                train_loss=told.train_loss,
            )
            points.setdefault(told.examples, point)
    return [points[examples] for examples in sorted(points)]


def _check_value(metric: Metric, value: float | None, where: str) -> None:
    if value is None:
        return
    least, most = (1.0 if metric.name == "perplexity" else 0.0), math.inf if metric.falls else 1.0
    if not least <= value <= most:
        allowed = f"at least {least:g}" if metric.falls else "between 0 and 1"
        raise TellInvalidError(f"{where}: {value:g} is not {allowed}, as {metric} is")


def _seconds(held: Held, lease: HeldLease, telling: Telling, examples: int) -> float:
    """Training seconds of the leg where a measurement does not say them."""
    if telling.step_seconds is None:
        return (held.moment - lease.leased_at).total_seconds()
    batch_size = held.calibration.task.training.batch_size
    return telling.step_seconds * (examples - lease.lease.leg.from_examples) / batch_size


def report_of(held: Held, lease: HeldLease, telling: Telling) -> LegReport | None:
    """What came of the leg, if this tell ends it."""
    leg, points = lease.lease.leg, lease.measurements
    outcome: Outcome | None = telling.outcome
    if any(point.value is None for point in points):
        outcome = "diverged"
    elif points and points[-1].examples == leg.until_examples:
        outcome = outcome or "completed"
    if outcome is None:
        return None
    if outcome == "completed" and not points:
        outcome = "cancelled"  # it says nothing of its trial
    return _ended(held, lease, outcome, telling)


def cut(held: Held, lease: HeldLease) -> LegReport:
    """What is known of a leg that nobody waits for any more."""
    outcome: Outcome = "completed" if lease.measurements else "cancelled"
    return _ended(held, lease, outcome, Telling(lease_id=lease.lease.id))


def _ended(held: Held, lease: HeldLease, outcome: Outcome, telling: Telling) -> LegReport:
    leg, points = lease.lease.leg, lease.measurements
    elapsed_seconds = (held.moment - lease.leased_at).total_seconds()
    wall_seconds = telling.wall_seconds
    if wall_seconds is None:
        wall_seconds = max([elapsed_seconds, *(point.seconds for point in points)])
    return LegReport(
        leg=leg,
        outcome=outcome,
        measurements=points,
        examples=points[-1].examples if points else leg.from_examples,
        train_seconds=points[-1].seconds if points else 0.0,
        wall_seconds=wall_seconds,
        peak_bytes=telling.peak_bytes,
        detail=telling.detail,
    )
