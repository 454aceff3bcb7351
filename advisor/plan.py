"""Plan: what a budget will buy of a race for this task, and the least budget that is useful.

Nothing is run: the race is rehearsed, every curve going as it is expected to. Steps cost what was
probed or profiled of this task and device, else what the cards' formulas say, and the plan is as
sure as those are.
"""

import statistics as stats
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from advisor.belief import Belief, beliefs
from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.evidence import Candidate, Leg, LegReport, Measurement, Profile, StepCost, Trial
from advisor.forecast import Forecast
from advisor.pace import Pace
from advisor.prior import EMPTY_BANK, Bank
from advisor.race import Race
from advisor.search_space import candidates
from advisor.value import Interval, Value

_PROBE_SECONDS = 0.5  # of one cost shape: its child, its warm-up and a round of steps
_FIXED_SECONDS = 1.0  # reading what was read before, and answering
_TRIALS_AT_LEAST = 2  # to the horizon, of middle cost: a leader and a rival; less decides nothing
_LEGS_AT_MOST = 100  # of a rehearsal: a plan is to be had at once


class LossPlan(Value):
    """What of the budget one loss is expected to take."""

    loss: str
    infeasible: str | None = Field(description="why it takes no part; null if it does")
    n_candidates: int = Field(description="settings that could be tried")
    n_settings: int = Field(description="of these, how many are expected to be tried")
    n_legs: int = Field(description="of the tried ones")
    seconds: float = Field(description="of wall-clock for all these legs")
    furthest_share: float = Field(description="of the horizon, that one of them comes to: 0 to 1")
    horizon_seconds: Interval | None = Field(
        description="training seconds of one setting to the horizon"
    )
    step_seconds: Interval | None
    peak_bytes: int | None
    cost_source: str = Field(description="what these numbers rest on")


class Plan(Value):
    """What a budget buys; seconds are of wall-clock on a device with nothing else to do."""

    budget_seconds: float
    least_budget_seconds: float = Field(description="two settings of middle cost reach the horizon")
    is_useful: bool = Field(description="whether the budget is at least that")
    n_settings: int = Field(description="settings tried, over all losses")
    n_to_horizon: int = Field(description="of these, how many reach the horizon")
    n_legs: int = Field(description="legs expected within the budget")
    probe_seconds: float
    race_seconds: float = Field(description="of the budget, for the legs")
    losses: tuple[LossPlan, ...] = Field(description="the cheapest to its horizon first")
    notes: tuple[str, ...]
    budget_money: float | None = Field(
        default=None, description="for the budget, where the price of the device is set"
    )
    least_budget_money: float | None = None


def plan(
    prepared: Prepared,
    budget_seconds: float,
    costs: Sequence[StepCost] = (),
    profiles: Sequence[Profile] = (),
    *,
    probes: bool = True,
    can_pause: bool = True,
    bank: Bank = EMPTY_BANK,
) -> Plan:
    """What the race of `calibrate` is expected to do within a budget; trains nothing.

    Without `probes` nothing is timed first, and without `can_pause` every trial is trained whole,
    as for trainers elsewhere. `bank` is what is known besides the `profiles`. Raises
    TaskInvalidError where no loss is feasible.
    """
    task, space = prepared.task, candidates(prepared.task, prepared.statistics)
    known = bank.joined(profiles)
    believed = beliefs(task, prepared.statistics, space, (), profiles, prepared.device, costs, bank)
    probe_seconds = _PROBE_SECONDS * _n_unprobed(space, costs) if probes else 0.0
    race_seconds = max(0.0, budget_seconds - probe_seconds - _FIXED_SECONDS)
    race = Race(prepared, space, costs, budget_seconds=race_seconds, bank=known)
    rehearsal = _Rehearsal(prepared, believed, known)
    told = rehearsal.told(race, race_seconds, whole=not can_pause)
    losses = [_loss_plan([b for b in believed if b.candidate.loss == name], told) for name in space]
    least = probe_seconds + _FIXED_SECONDS + rehearsal.least_seconds()
    ended = {r.leg.trial.candidate.key for r in told if rehearsal.is_whole(r)}
    return Plan(
        budget_seconds=budget_seconds,
        least_budget_seconds=least,
        is_useful=budget_seconds >= least,
        n_settings=sum(p.n_settings for p in losses),
        n_to_horizon=len(ended),
        n_legs=len(told),
        probe_seconds=probe_seconds,
        race_seconds=sum(r.wall_seconds for r in told),
        losses=tuple(sorted(losses, key=_by_cost)),
        notes=_notes(believed, costs, budget_seconds < least, least),
    )


class _Rehearsal:
    """The race with curves as they are expected."""

    def __init__(self, prepared: Prepared, believed: Sequence[Belief], bank: Bank) -> None:
        self._metric = prepared.task.parsed_metric
        flat = [b.candidate for b in believed]
        self._forecast = Forecast(flat, bank.prior(prepared.task, prepared.statistics, flat), {})
        self._index = {c.key: i for i, c in enumerate(flat)}
        self._batch_size = prepared.task.training.batch_size
        self._pace = {b.candidate.key: Pace.of(b, self._batch_size) for b in believed}
        self._feasible = [b.candidate for b in believed if b.infeasible is None]

    def told(self, race: Race, seconds_left: float, whole: bool) -> list[LegReport]:
        """What would be asked and told within these seconds."""
        told: list[LegReport] = []
        while len(told) < _LEGS_AT_MOST and (leg := race.ask(seconds_left, whole=whole)):
            told.append(self._report(leg))
            race.tell(told[-1])
            seconds_left -= told[-1].wall_seconds
        return told

    def is_whole(self, report: LegReport) -> bool:
        pace = self._pace[report.leg.trial.candidate.key]
        return report.examples >= pace.whole_horizon

    def least_seconds(self) -> float:
        """Of trials of middle cost to the horizon."""
        whole: list[float] = []
        for candidate in self._feasible:
            pace, trial = self._pace[candidate.key], Trial(candidate=candidate, seed=0)
            whole.append(pace.leg_seconds(pace.leg(trial, 0, pace.whole_horizon)))
        return min(_TRIALS_AT_LEAST, len(whole)) * stats.median_low(whole)

    def _report(self, leg: Leg) -> LegReport:
        key = leg.trial.candidate.key
        steps = np.array(leg.checkpoints) / self._batch_size
        scores = self._forecast.paths(np.array([self._index[key]]), steps[None, :])[0]
        return LegReport(
            leg=leg,
            outcome="completed",
            measurements=tuple(
                Measurement(examples=e, seconds=0.0, value=self._metric.value(float(s)))
                for e, s in zip(leg.checkpoints, scores, strict=True)
            ),
            examples=leg.until_examples,
            wall_seconds=self._pace[key].leg_seconds(leg),
        )


def _n_unprobed(space: dict[str, tuple[Candidate, ...]], costs: Sequence[StepCost]) -> int:
    shapes = {shape_of(c).key for group in space.values() for c in group}
    return len(shapes - {cost.candidate.key for cost in costs})


def _loss_plan(group: Sequence[Belief], told: Sequence[LegReport]) -> LossPlan:
    first = next((b for b in group if b.infeasible is None), group[0])
    name = first.candidate.loss
    mine = [r for r in told if r.leg.trial.candidate.loss == name]
    furthest = max((r.examples for r in mine), default=0) / first.horizon_examples
    per_example = first.cost.seconds_per_example
    return LossPlan(
        loss=name,
        infeasible=first.infeasible,
        n_candidates=len(group),
        n_settings=len({r.leg.trial.candidate.key for r in mine}),
        n_legs=len(mine),
        seconds=sum(r.wall_seconds for r in mine),
        furthest_share=min(1.0, furthest),
        horizon_seconds=per_example and _scaled(per_example, first.horizon_examples),
        step_seconds=per_example and _scaled(per_example, first.batch_size),
        peak_bytes=first.cost.peak_bytes,
        cost_source=first.cost.source,
    )


def _by_cost(found: LossPlan) -> tuple[bool, float]:
    seconds = found.horizon_seconds
    return found.infeasible is not None, seconds.mean if seconds else float("inf")


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(
        low=interval.low * factor, mean=interval.mean * factor, high=interval.high * factor
    )


def _notes(
    believed: Sequence[Belief], costs: Sequence[StepCost], is_short: bool, least: float
) -> tuple[str, ...]:
    notes: list[str] = []
    if is_short:
        notes.append(
            f"the budget is below the least that is useful, {least:.0f} s: give more, fewer losses "
            "(losses.include) or a shorter horizon"
        )
    if not costs and any("formula" in b.cost.source for b in believed):
        notes.append(
            "nothing was measured of this task and device: seconds are of an order of magnitude"
        )
    return tuple(notes)
