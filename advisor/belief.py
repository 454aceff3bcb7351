"""What is believed of every candidate at the horizon: its metric, its cost, and what they rest on.

All candidates of a task share one forecast: what is measured of one moves the others. With nothing
measured and no stored profiles the metric stays unknown and the card speaks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from advisor.cost import Cost, cost_of, shape_of
from advisor.evidence import Candidate, Device, Profile, StepCost
from advisor.forecast import METRIC_MAX, TO_80_PERCENT, Curve, Forecast
from advisor.prior import EMPTY_BANK, Bank
from advisor.recommendation import EvidenceLevel, ForecastPoint
from advisor.search_space import ruled_out
from advisor.task import Metric, Task, TaskStatistics
from advisor.value import Interval

Array = npt.NDArray[np.float64]

_N_CURVE_POINTS = 24
_SHORTEST_SHARE = 1 / 1000  # of the horizon: where a path that nothing is measured of begins
_REACHED = 0.99  # a candidate's train_seconds end where its forecast first reaches this share


@dataclass(frozen=True)
class Belief:
    """One candidate at the horizon: metric, cost, and why it cannot be had, if so.

    `mean` is the mean score, None where nothing is known, `sd` its standard deviation.
    """

    candidate: Candidate
    cost: Cost
    horizon_examples: int
    batch_size: int
    level: EvidenceLevel = "theory"
    mean: float | None = None
    sd: float = 0.0
    train_examples: int = 0
    infeasible: str | None = None
    profile: Profile | None = None
    prior_ids: tuple[str, ...] = ()
    forecast: Forecast | None = None
    index: int = 0
    curve: tuple[ForecastPoint, ...] = ()
    """The way to the horizon, with 80% intervals, once `with_curves` has looked at it."""

    @property
    def horizon_seconds(self) -> float:
        return self.seconds_per_example * self.horizon_examples

    @property
    def horizon_steps(self) -> float:
        return self.horizon_examples / self.batch_size

    @property
    def is_measured(self) -> bool:
        """Whether this very candidate has a curve on this task."""
        return self.profile is not None and bool(self.profile.curve)

    @property
    def examples(self) -> int:
        """How far it is trained."""
        return self.profile.final_examples if self.profile else 0

    @property
    def metric(self) -> Interval | None:
        """80% interval of the score at the horizon."""
        return None if self.mean is None else within(self.mean, self.sd)

    @property
    def train_seconds(self) -> Interval | None:
        """Training seconds until the forecast first reaches 99% of its value at the horizon."""
        per_example = self.cost.seconds_per_example
        if per_example is None:
            return None
        n = self.train_examples or self.horizon_examples
        return Interval(
            low=per_example.low * n, mean=per_example.mean * n, high=per_example.high * n
        )

    @property
    def measured(self) -> tuple[ForecastPoint, ...]:
        """Those points of the curve that are measured."""
        return tuple(p for p in self.curve if p.examples <= self.examples) if self.profile else ()

    @property
    def seconds_per_example(self) -> float:
        """Infinite where nobody knows what a step takes."""
        per_example = self.cost.seconds_per_example
        return per_example.mean if per_example else math.inf

    def way(self) -> Array:
        """Counts of examples: those measured, then log-spaced ones to the horizon."""
        known = [p.examples for p in self.profile.curve] if self.profile else []
        known = [float(n) for n in known if n < self.horizon_examples]
        if self.examples >= self.horizon_examples:
            return np.array([*known, float(self.horizon_examples)])
        start = known[-1] if known else _SHORTEST_SHARE * self.horizon_examples
        ahead = np.geomspace(max(1.0, start), self.horizon_examples, _N_CURVE_POINTS)
        return np.unique(np.concatenate([known, ahead]))


def with_curves(found: Sequence[Belief]) -> list[Belief]:
    """The same beliefs with their curves, where anything is known of them."""
    done = [*found]
    known = [i for i, b in enumerate(done) if b.mean is not None and b.cost.seconds_per_example]
    forecast = next((done[i].forecast for i in known), None)
    if forecast is None:
        return done
    examples = [done[i].way() for i in known]
    steps = [n / done[i].batch_size for i, n in zip(known, examples, strict=True)]
    ways = forecast.ways([done[i].index for i in known], steps)
    for i, n, (mean, sd) in zip(known, examples, ways, strict=True):
        done[i] = replace(done[i], curve=_points(n, done[i].seconds_per_example * n, mean, sd))
    return done


def _points(examples: Array, seconds: Array, mean: Array, sd: Array) -> tuple[ForecastPoint, ...]:
    low, high = _bounds(mean, sd)
    rows = zip(*(of.tolist() for of in (examples, seconds, low, mean, high)), strict=True)
    return tuple(
        ForecastPoint(examples=round(n), seconds=s, low=a, mean=m, high=b) for n, s, a, m, b in rows
    )


def within(mean: float, sd: float) -> Interval:
    """80% interval around a score, which cannot leave what the metric can be."""
    low, high = _bounds(np.array(mean), np.array(sd))
    return Interval(low=float(low), mean=mean, high=float(high))


def _bounds(mean: Array, sd: Array) -> tuple[Array, Array]:
    half = TO_80_PERCENT * sd
    return np.maximum(0.0, mean - half), np.minimum(METRIC_MAX, mean + half)


def beliefs(
    task: Task,
    statistics: TaskStatistics,
    space: dict[str, tuple[Candidate, ...]],
    own: Sequence[Profile],
    others: Sequence[Profile] = (),
    device: Device | None = None,
    costs: Sequence[StepCost] = (),
    bank: Bank = EMPTY_BANK,
) -> list[Belief]:
    """One belief per candidate of the space; `own` are this task's profiles, `others` the rest.

    `bank` is what is known besides the `others`.
    """
    flat = [candidate for group in space.values() for candidate in group]
    seen = (*own, *others)
    shapes = [shape_of(c) for c in flat]
    priced = {s.key: cost_of(s, task, statistics, device, costs, seen) for s in set(shapes)}
    blank = [
        _blank(c, priced[shape.key], task, statistics)
        for c, shape in zip(flat, shapes, strict=True)
    ]
    founded = bank.joined(others).prior(task, statistics, flat)
    by_key = {p.candidate.key: p for p in own}
    profiles = [by_key.get(c.key) for c in flat]
    curves = {
        i: curve_of(profile, blank[i].horizon_examples)
        for i, profile in enumerate(profiles)
        if profile is not None and profile.curve
    }
    known = [_with_profile(b, p) for b, p in zip(blank, profiles, strict=True)]
    if not curves and not founded.is_founded:
        return known
    forecast = Forecast(flat, founded, curves)
    ids = founded.profile_ids or ((),) * len(flat)
    siblings = _ids_by_loss(own)
    sighted = [
        replace(
            b,
            forecast=forecast,
            index=i,
            prior_ids=() if b.is_measured else (*siblings.get(b.candidate.loss, ()), *ids[i]),
        )
        for i, b in enumerate(known)
    ]
    return _at_horizon(sighted, forecast)


def _ids_by_loss(own: Sequence[Profile]) -> dict[str, tuple[str, ...]]:
    """This task's profiles that a setting of a loss rests on, though it was not itself trained."""
    found: dict[str, tuple[str, ...]] = {}
    for profile in own:
        if profile.id and profile.curve:
            loss = profile.candidate.loss
            found[loss] = (*found.get(loss, ()), profile.id)
    return found


def curve_of(profile: Profile, horizon_examples: int) -> Curve:
    """A profile's curve in steps; one that ended early stands at its best until the horizon."""
    metric = Metric.parse(profile.metric)
    examples = [float(p.examples) for p in profile.curve]
    scores = [metric.score(p.value) for p in profile.curve]
    if profile.outcome != "completed":
        examples.append(max(examples[-1] + 1.0, float(horizon_examples)))
        scores.append(scores[-1])
    steps = np.maximum(np.array(examples) / profile.batch_size, 1.0)
    return Curve(steps, np.array(scores), profile.n_seeds)


def _blank(candidate: Candidate, cost: Cost, task: Task, statistics: TaskStatistics) -> Belief:
    per_example = cost.seconds_per_example
    horizon = task.horizon.examples(
        statistics.n_examples, per_example.mean if per_example else math.inf
    )
    belief = Belief(candidate, cost, horizon, task.training.batch_size)
    return replace(belief, infeasible=_infeasible(belief, task))


def _infeasible(belief: Belief, task: Task) -> str | None:
    if reason := ruled_out(belief.candidate, task):
        return reason
    if belief.cost.failure:
        return f"could not run at the task's full size ({belief.cost.failure})"
    allowed, peak = task.constraints.peak_bytes, belief.cost.peak_bytes
    if allowed is not None and peak is not None and peak > allowed:
        return f"needs {peak / 2**30:.2f} GiB, more than the {allowed / 2**30:.2f} GiB allowed"
    return None


def _with_profile(belief: Belief, profile: Profile | None) -> Belief:
    if profile is None:
        return belief
    known = replace(belief, profile=profile, level="measured")
    if profile.outcome == "out_of_memory":
        reason = f"ran out of memory after {profile.final_examples:,} examples"
        return replace(known, infeasible=belief.infeasible or reason)
    # Without a curve it diverged at once: a finding, and no good one.
    return known if profile.curve else replace(known, mean=0.0)


def _at_horizon(known: list[Belief], forecast: Forecast) -> list[Belief]:
    """The same beliefs with what the forecast says of them."""
    who = np.arange(len(known))
    ends = np.array([b.horizon_steps for b in known])
    sds = forecast.spread(who, ends)
    shares = np.geomspace(_SHORTEST_SHARE, 1.0, _N_CURVE_POINTS)
    paths = forecast.paths(who, ends[:, None] * shares)
    any_measured = any(b.is_measured for b in known)
    found: list[Belief] = []
    for belief, path, sd in zip(known, paths, sds, strict=True):
        if belief.mean is None:
            reached = shares[int(np.argmax(path >= _REACHED * path[-1]))]
            belief = replace(
                belief,
                level="measured" if any_measured else "prior",
                mean=float(path[-1]),
                sd=float(sd),
                train_examples=max(1, round(float(reached) * belief.horizon_examples)),
            )
        found.append(belief)
    return found
