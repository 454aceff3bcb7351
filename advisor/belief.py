"""What is believed of every candidate at the horizon: one value each, whatever it rests on.

Measured curves are forecast; candidates without one get what similar tasks showed, or what their
siblings in this task did; with nothing at all the metric stays unknown and the card speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from advisor.cost import Cost, cost_of
from advisor.evidence import Candidate, Device, Profile, StepCost
from advisor.forecast import METRIC_MAX, SEED_SD, TO_80_PERCENT, Curve, Field, Outlook
from advisor.prior import Prior, prior
from advisor.recommendation import EvidenceLevel, ForecastPoint
from advisor.search_space import ruled_out
from advisor.task import Metric, Task, TaskStatistics
from advisor.value import Interval

Array = npt.NDArray[np.float64]

_N_CURVE_POINTS = 24
_UNKNOWN_LOSS_RELATIVE = (0.8, 0.3)
_SIBLING_SD_AT_LEAST = 0.15
_CHANCE = 0.35
_REACHED = 0.99  # a candidate's train_seconds end where its forecast first reaches this share


@dataclass(frozen=True)
class Belief:
    """One candidate at the horizon: metric (mean, sd), cost, and why it cannot be had, if so.

    `level_sd` is the relative spread of the task's whole level: it widens the shown interval but
    not a comparison between candidates, which share the level.
    """

    candidate: Candidate
    cost: Cost
    horizon_examples: int
    level: EvidenceLevel
    mean: float | None = None
    sd: float = 0.0
    level_sd: float = 0.0
    n_seeds: int = 0
    examples: int = 0
    infeasible: str | None = None
    profile: Profile | None = None
    prior_ids: tuple[str, ...] = ()
    sight: tuple[Field, Curve, Outlook] | None = None

    @property
    def horizon_seconds(self) -> float:
        per_example = self.cost.seconds_per_example
        return per_example.mean * self.horizon_examples if per_example else float("inf")

    @property
    def is_measured(self) -> bool:
        """Whether this very candidate has a curve on this task."""
        return self.sight is not None

    @property
    def is_at_horizon(self) -> bool:
        ended = self.profile is not None and self.profile.outcome != "completed"
        return ended or self.examples >= self.horizon_examples

    @property
    def chance_sd(self) -> float:
        """The spread that counts for being the best, narrower than the interval's.

        Misses are mostly falls (a curve that peaks, a rate too large), so a forecast seldom ends
        far above its mean. With 0.35 of the spread P(best) averaged .83 over 54 replays of 120 s on
        three tasks; the loss named was the best in .78 of them, within 1% of it in .91.
        """
        return self.sd if self.is_at_horizon else _CHANCE * self.sd

    @property
    def metric(self) -> Interval | None:
        """80% interval of the metric at the horizon."""
        if self.mean is None:
            return None
        half = TO_80_PERCENT * float(np.hypot(self.sd, self.level_sd * self.mean))
        return within(self.mean, half)

    @cached_property
    def train_seconds(self) -> Interval | None:
        """Training seconds until the forecast first reaches 99% of its value at the horizon."""
        per_example = self.cost.seconds_per_example
        if per_example is None:
            return None
        n = self._train_examples()
        return Interval(
            low=per_example.low * n, mean=per_example.mean * n, high=per_example.high * n
        )

    @property
    def path(self) -> tuple[Array, Array, Array] | None:
        """Shares of the horizon, and mean and sd of the metric there; None if nothing is measured.

        Not computed before it is asked for: a race asks for the horizon alone.
        """
        if self.sight is None:
            return None
        field, curve, outlook = self.sight
        ahead = np.geomspace(min(curve.reach, 1.0), 1.0, _N_CURVE_POINTS)
        shares = np.unique(np.concatenate([curve.shares[curve.shares < 1.0], ahead]))
        return shares, *field.path(curve, outlook, shares)

    def _train_examples(self) -> int:
        path = self.path
        if path is None:
            return self.horizon_examples
        shares, mean, _ = path
        reached = shares[int(np.argmax(mean >= _REACHED * mean[-1]))]
        return max(1, round(float(reached) * self.horizon_examples))


def within(mean: float, half: float) -> Interval:
    """An interval around a metric that cannot leave what the metric can be."""
    return Interval(low=max(0.0, mean - half), mean=mean, high=min(METRIC_MAX, mean + half))


def beliefs(
    task: Task,
    statistics: TaskStatistics,
    space: dict[str, tuple[Candidate, ...]],
    own: Sequence[Profile],
    others: Sequence[Profile] = (),
    device: Device | None = None,
    costs: Sequence[StepCost] = (),
) -> list[Belief]:
    """One belief per candidate of the space; `own` are this task's profiles, `others` the rest."""
    seen = (*own, *others)
    flat = [candidate for group in space.values() for candidate in group]
    blank = [_blank(c, task, statistics, device, costs, seen) for c in flat]
    if others and not any(p.curve for p in own):

        @cache  # most candidates share their horizon
        def seen_at(horizon_examples: int) -> Prior:
            return prior(task, statistics, others, horizon_examples / statistics.n_examples)

        blank = [_from_prior(b, seen_at(b.horizon_examples)) for b in blank]
    return updated(blank, own)


def updated(before: Sequence[Belief], own: Sequence[Profile]) -> list[Belief]:
    """The same candidates once this task's profiles are known: what is measured replaces the rest.

    With nothing measured the beliefs stay, and candidates without one follow their siblings.
    """
    by_key = {p.candidate.key: p for p in own}
    curves = {
        b.candidate.key: _curve(by_key[b.candidate.key], b.horizon_examples)
        for b in before
        if b.candidate.key in by_key and by_key[b.candidate.key].curve
    }
    field = Field(list(curves.values())) if curves else None
    known = [
        _measured(b, by_key.get(b.candidate.key), curves.get(b.candidate.key), field)
        for b in before
    ]
    if not any(b.level == "measured" for b in known):
        return _filled(known)
    unmeasured = [b if b.level == "measured" else replace(b, mean=None) for b in known]
    return _filled(unmeasured)


def curve_of(belief: Belief) -> tuple[tuple[ForecastPoint, ...], tuple[ForecastPoint, ...]]:
    """The measured points, and the curve on its way to the horizon, with 80% intervals."""
    per_example = belief.cost.seconds_per_example
    if belief.path is None or per_example is None:
        return (), ()
    shares, mean, sd = belief.path
    points = [
        ForecastPoint(
            examples=round(share * belief.horizon_examples),
            seconds=float(share * belief.horizon_examples * per_example.mean),
            **within(float(m), float(TO_80_PERCENT * s)).model_dump(),
        )
        for share, m, s in zip(shares, mean, sd, strict=True)
    ]
    measured = tuple(p for p in points if p.examples <= belief.examples)
    return measured, tuple(points)


def _curve(profile: Profile, horizon_examples: int) -> Curve:
    examples = [float(p.examples) for p in profile.curve]
    metric = Metric.parse(profile.metric)
    values = [metric.score(p.value) for p in profile.curve]
    if profile.outcome != "completed":  # best so far stands; nothing more will come
        examples.append(max(examples[-1] + 1.0, float(horizon_examples)))
        values.append(values[-1])
    return Curve.of(examples, values, horizon_examples, profile.candidate.loss)


def _blank(
    candidate: Candidate,
    task: Task,
    statistics: TaskStatistics,
    device: Device | None,
    costs: Sequence[StepCost],
    profiles: Sequence[Profile],
) -> Belief:
    cost = cost_of(candidate, task, statistics, device, costs, profiles)
    per_example = cost.seconds_per_example
    horizon = task.horizon.examples(
        statistics.n_examples, per_example.mean if per_example else float("inf")
    )
    belief = Belief(candidate, cost, horizon, "theory")
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


def _measured(
    belief: Belief, profile: Profile | None, curve: Curve | None, field: Field | None
) -> Belief:
    if profile is None:
        return belief
    if profile.outcome == "out_of_memory":
        reason = f"ran out of memory after {profile.final_examples:,} examples"
        return replace(belief, profile=profile, infeasible=belief.infeasible or reason)
    if curve is None or field is None:  # it diverged at once: a finding, and no good one
        return replace(belief, profile=profile, level="measured", mean=0.0, n_seeds=1)
    outlook = field.outlook(curve, profile.n_seeds)
    return replace(
        belief,
        level="measured",
        mean=outlook.mean,
        sd=outlook.sd,
        level_sd=outlook.level_sd,
        n_seeds=profile.n_seeds,
        examples=profile.final_examples,
        profile=profile,
        sight=(field, curve, outlook),
    )


def _from_prior(belief: Belief, seen: Prior) -> Belief:
    own = seen.beliefs.get(belief.candidate.key)
    if own is None or seen.level is None:
        return belief
    return replace(
        belief,
        level="prior",
        mean=seen.level * own.relative,
        sd=seen.level * own.sd,
        level_sd=seen.level_sd,
        prior_ids=own.profile_ids,
    )


def _filled(known: list[Belief]) -> list[Belief]:
    """Candidates that nobody opened, at what their siblings or the other losses suggest."""
    level = max((b.mean for b in known if b.mean is not None), default=0.0)
    kind = next((b.level for b in known if b.mean is not None), "theory")
    by_loss: dict[str, list[float]] = {}
    for belief in known:
        if belief.mean is not None:
            by_loss.setdefault(belief.candidate.loss, []).append(belief.mean)
    filled: list[Belief] = []
    for belief in known:
        siblings = by_loss.get(belief.candidate.loss)
        if belief.mean is None and level and belief.profile is None:
            relative, sd = _UNKNOWN_LOSS_RELATIVE
            mean, sd = level * relative, level * sd
            if siblings:
                mean = float(np.mean(siblings))
                sd = max(float(np.std(siblings)), _SIBLING_SD_AT_LEAST * level)
            belief = replace(belief, mean=mean, sd=float(np.hypot(sd, SEED_SD * mean)), level=kind)
        filled.append(belief)
    return filled
