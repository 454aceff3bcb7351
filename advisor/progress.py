"""Progress: what the trials of a race have shown so far, and the profile that they make."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from advisor.belief import Belief
from advisor.calibration import Prepared
from advisor.curve import best_so_far, pooled
from advisor.evidence import CurvePoint, LegReport, Measurement, Outcome, Profile, Trial
from advisor.task import Metric
from advisor.value import Interval

_STALLED_AFTER = 2  # legs in a row that end without a step: the trial is out


@dataclass
class Progress:
    """What one trial has shown so far."""

    trial: Trial
    measurements: list[Measurement] = field(default_factory=list[Measurement])
    examples: int = 0
    outcome: Outcome = "completed"
    n_stalled: int = 0
    curve: tuple[CurvePoint, ...] = ()

    @property
    def is_out(self) -> bool:
        """Whether it ended early, or does not move."""
        return self.outcome != "completed" or self.n_stalled >= _STALLED_AFTER

    def learn(self, report: LegReport, metric: Metric) -> None:
        """What came of a leg of it."""
        self.n_stalled = 0 if report.examples > self.examples else self.n_stalled + 1
        self.measurements += report.measurements
        self.examples = max(self.examples, report.examples)
        self.outcome = report.outcome
        self.curve = best_so_far(self.measurements, metric)


def profile_of(start: Belief, seeds: Sequence[Progress], prepared: Prepared) -> Profile:
    """What is known of a candidate by all its seeds, the first one first."""
    task, first = prepared.task, seeds[0]
    curve = pooled([seed.curve for seed in seeds], task.parsed_metric)
    batch_size = task.training.batch_size
    step = start.cost.seconds_per_example
    return Profile(
        task_name=task.name,
        task_fingerprint=prepared.task_fingerprint,
        kind=task.kind,
        metric=task.metric,
        statistics=prepared.statistics,
        embedding_dim=task.model.embedding_dim,
        batch_size=batch_size,
        device=prepared.device,
        candidate=start.candidate,
        n_seeds=max(1, sum(seed.examples >= first.examples for seed in seeds)),
        outcome=_worst(seeds),
        step_seconds=step and _scaled(step, batch_size),
        peak_bytes=start.cost.peak_bytes,
        final_examples=first.examples,
        final_value=curve[-1].value if curve else None,
        curve=curve,
    )


def _worst(seeds: Sequence[Progress]) -> Outcome:
    """What went wrong with any seed of a candidate; `completed` where nothing did."""
    for progress in seeds:
        if progress.outcome != "completed":
            return progress.outcome
    return "completed"


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(
        low=interval.low * factor, mean=interval.mean * factor, high=interval.high * factor
    )
