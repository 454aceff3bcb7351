"""Plan: what a budget will buy of a race for this task, and the least budget that is useful.

Nothing is run: steps cost what was probed or profiled of this task and device, else what the cards'
formulas say, and the plan is as sure as those are. What a race will spend where depends on what it
measures; what it opens does not.
"""

import itertools
import statistics as stats
from collections.abc import Sequence

from pydantic import Field

from advisor.allocation import quota
from advisor.belief import Belief, beliefs
from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.evidence import Candidate, Profile, StepCost, Trial
from advisor.pace import Pace
from advisor.race import FIRST_FRACTIONS, OPENING_SHARE, Race
from advisor.search_space import candidates
from advisor.value import Interval, Value

_PROBE_SECONDS = 0.5  # of one cost shape: its child, its warm-up and a round of steps
_FIXED_SECONDS = 1.0  # reading what was read before, and answering
_LOSSES_TO_HORIZON = 2  # a leader and a rival, of middle cost: less decides nothing


class LossPlan(Value):
    """What of the budget one loss is expected to take."""

    loss: str
    infeasible: str | None = Field(description="why it takes no part; null if it does")
    n_candidates: int = Field(description="settings that could be tried")
    n_settings: int = Field(description="of these, how many are opened")
    n_legs: int = Field(description="of the opened ones on their way to the horizon, at most")
    opening_seconds: float = Field(description="of all their first legs")
    way_seconds: float = Field(description="of all those legs")
    horizon_seconds: Interval | None = Field(
        description="training seconds of one setting to the horizon"
    )
    step_seconds: Interval | None
    peak_bytes: int | None
    cost_source: str = Field(description="what these numbers rest on")


class Plan(Value):
    """What a budget buys; seconds are of wall-clock on a device with nothing else to do."""

    budget_seconds: float
    least_budget_seconds: float = Field(
        description="each loss opens one setting, and two losses of middle cost reach the horizon"
    )
    is_useful: bool = Field(description="whether the budget is at least that")
    n_settings: int = Field(description="settings opened, over all losses")
    n_legs: int = Field(description="legs expected within the budget")
    first_fraction: float = Field(description="of the horizon, that each setting is first given")
    probe_seconds: float
    opening_seconds: float
    way_share: float = Field(
        description="how much of the way from there to the horizon, for all opened settings that "
        "go on, the rest of the budget pays: 0 to 1"
    )
    losses: tuple[LossPlan, ...] = Field(description="the cheapest to its horizon first")
    notes: tuple[str, ...]


def plan(
    prepared: Prepared,
    budget_seconds: float,
    costs: Sequence[StepCost] = (),
    profiles: Sequence[Profile] = (),
    *,
    probes: bool = True,
    can_pause: bool = True,
) -> Plan:
    """What the race of `calibrate` is expected to do within a budget; trains nothing.

    Without `probes` nothing is timed first, and without `can_pause` every trial is trained whole,
    as for trainers elsewhere. Raises TaskInvalidError where no loss is feasible.
    """
    task, space = prepared.task, candidates(prepared.task, prepared.statistics)
    believed = beliefs(task, prepared.statistics, space, (), profiles, prepared.device, costs)
    paces = {b.candidate.key: Pace.of(b, task.training.batch_size) for b in believed}
    probe_seconds = _PROBE_SECONDS * _n_unprobed(space, costs) if probes else 0.0
    race_seconds = max(0.0, budget_seconds - probe_seconds - _FIXED_SECONDS)
    race = Race(prepared, space, costs, budget_seconds=race_seconds, profiles=profiles)
    opened, fraction = race.opening()
    if not can_pause:
        opened, fraction = _whole(opened, paces, race_seconds), 1.0
    losses = tuple(
        _loss_plan(name, [b for b in believed if b.candidate.loss == name], opened, paces, fraction)
        for name in space
    )
    opening, way = (sum(getattr(p, f"{n}_seconds") for p in losses) for n in ("opening", "way"))
    share = min(1.0, max(0.0, race_seconds - opening) / (way - opening)) if way > opening else 1.0
    n_settings, n_legs = (sum(getattr(p, n) for p in losses) for n in ("n_settings", "n_legs"))
    least = probe_seconds + _FIXED_SECONDS + _least_race_seconds(believed, paces, can_pause)
    return Plan(
        budget_seconds=budget_seconds,
        least_budget_seconds=least,
        is_useful=budget_seconds >= least,
        n_settings=n_settings,
        n_legs=n_settings + round(share * (n_legs - n_settings)),
        first_fraction=fraction,
        probe_seconds=probe_seconds,
        opening_seconds=opening,
        way_share=share,
        losses=tuple(sorted(losses, key=_by_cost)),
        notes=_notes(believed, costs, budget_seconds < least, least),
    )


def _n_unprobed(space: dict[str, tuple[Candidate, ...]], costs: Sequence[StepCost]) -> int:
    shapes = {shape_of(c).key for group in space.values() for c in group}
    return len(shapes - {cost.candidate.key for cost in costs})


def _whole(
    opened: Sequence[Candidate], paces: dict[str, Pace], seconds: float
) -> tuple[Candidate, ...]:
    """The settings, in their order, that can be trained whole one after the other."""
    found: list[Candidate] = []
    for candidate in opened:
        seconds -= _ways(paces[candidate.key], candidate, 1.0)[0]
        if seconds < 0:
            break
        found.append(candidate)
    return tuple(found)


def _loss_plan(
    name: str,
    group: Sequence[Belief],
    opened: Sequence[Candidate],
    paces: dict[str, Pace],
    fraction: float,
) -> LossPlan:
    mine = [c for c in opened if c.loss == name]
    first = next((b for b in group if b.infeasible is None), group[0])
    ways = _ways(paces[first.candidate.key], first.candidate, fraction)
    counts = [quota(len(mine), rung) if mine else 0 for rung in range(len(ways))]
    per_example, batch_size = first.cost.seconds_per_example, paces[first.candidate.key].batch_size
    return LossPlan(
        loss=name,
        infeasible=first.infeasible,
        n_candidates=len(group),
        n_settings=len(mine),
        n_legs=sum(counts),
        opening_seconds=len(mine) * ways[0],
        way_seconds=sum(n * seconds for n, seconds in zip(counts, ways, strict=True)),
        horizon_seconds=per_example and _scaled(per_example, first.horizon_examples),
        step_seconds=per_example and _scaled(per_example, batch_size),
        peak_bytes=first.cost.peak_bytes,
        cost_source=first.cost.source,
    )


def _ways(pace: Pace, candidate: Candidate, fraction: float) -> list[float]:
    """Seconds of each leg from the start to the horizon, rung by rung."""
    trial = Trial(candidate=candidate, seed=0)
    ends = itertools.pairwise((0, *pace.rungs(fraction)))
    return [pace.leg_seconds(pace.leg(trial, start, end)) for start, end in ends]


def _least_race_seconds(
    believed: Sequence[Belief], paces: dict[str, Pace], can_pause: bool
) -> float:
    """One setting of every loss within the opening's share, and two of middle cost to the end."""
    feasible = {b.candidate.loss: b for b in reversed(believed) if b.infeasible is None}
    firsts = [(paces[b.candidate.key], b.candidate) for b in feasible.values()]
    whole = [_ways(pace, candidate, 1.0)[0] for pace, candidate in firsts]
    if not can_pause:
        return sum(whole)
    opening = sum(_ways(pace, candidate, FIRST_FRACTIONS[-1])[0] for pace, candidate in firsts)
    to_horizon = min(_LOSSES_TO_HORIZON, len(whole)) * stats.median_low(whole)
    return max(opening / OPENING_SHARE, opening + to_horizon)


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
