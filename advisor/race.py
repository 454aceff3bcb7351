"""Race: ask for the next leg, tell what came of it; a pure function of what it was told.

First every loss opens the same number of settings, cheapest legs first, to a small share of its
horizon; then `allocation` says what the next second is worth. It knows no clock: the seconds left
come in with every ask.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from advisor.allocation import Contender, Option, options, quota
from advisor.belief import Belief, beliefs, updated
from advisor.calibration import Prepared
from advisor.curve import best_so_far, pooled
from advisor.errors import TaskInvalidError
from advisor.evidence import (
    Candidate,
    CurvePoint,
    Leg,
    LegReport,
    Measurement,
    Outcome,
    Profile,
    StepCost,
    Trial,
)
from advisor.pace import START_SECONDS, Pace
from advisor.value import Interval

OPENING_SHARE = 0.45  # of the budget, at most, for first legs
FIRST_FRACTIONS = (1 / 32, 1 / 64)  # of the horizon
_SHORT_FRACTIONS = (1 / 128, 1 / 256, 1 / 512)  # where not even one setting a loss would fit
_WAY_SHARE = 3.0  # of the budget, for all losses to their horizon: most are not worth it
_STALLED_AFTER = 2  # legs in a row that end without a step: the trial is out

_BEATEN_BY_SD = 3.0  # standard deviations below the leader: its state is not kept


@dataclass
class _Progress:
    """What one trial has shown so far."""

    trial: Trial
    measurements: list[Measurement] = field(default_factory=list[Measurement])
    examples: int = 0
    outcome: Outcome = "completed"
    n_stalled: int = 0
    curve: tuple[CurvePoint, ...] = ()

    @property
    def is_out(self) -> bool:
        return self.outcome != "completed" or self.n_stalled >= _STALLED_AFTER


class Race:
    """A race of trials for one prepared task on one device, leg by leg.

    Raises TaskInvalidError where no loss of the space is feasible, with the reason of each.
    """

    def __init__(
        self,
        prepared: Prepared,
        space: dict[str, tuple[Candidate, ...]],
        costs: Sequence[StepCost],
        *,
        budget_seconds: float,
        profiles: Sequence[Profile] = (),
        seed: int = 0,
        max_seeds: int = 5,
    ) -> None:
        self._prepared, self._space = prepared, space
        self._metric = prepared.task.parsed_metric
        self._seed, self._max_seeds = seed, max_seeds
        self._trials: dict[str, list[_Progress]] = {}  # by candidate key, the first seed first
        self._profiles: dict[str, Profile] = {}
        self._leased: dict[str, Leg] = {}
        self._wall_seconds = self._expected_seconds = 1.0
        start = beliefs(
            prepared.task, prepared.statistics, space, (), profiles, prepared.device, costs
        )
        self._start = {b.candidate.key: b for b in start}
        batch_size = prepared.task.training.batch_size
        self._pace = {key: Pace.of(b, batch_size) for key, b in self._start.items()}
        feasible = [b for b in self._start.values() if b.infeasible is None]
        if not feasible:
            reasons = {b.candidate.loss: b.infeasible for b in self._start.values()}
            told = "; ".join(f"{loss} {reason}" for loss, reason in reasons.items())
            raise TaskInvalidError(f"no loss is feasible: {told}")
        self._first_fraction, self._opening = self._plan_opening(feasible, budget_seconds)

    def ask(self, seconds_left: float, *, whole: bool = False) -> Leg | None:
        """The next leg, leased until it is told; None when settled or nothing affordable helps.

        With `whole` it is a trial from its start to the horizon, if the budget bears any of it:
        for a trainer that cannot stop a trial and go on with it later.
        """
        seconds_left -= sum(self._leg_seconds(leg) for leg in self._leased.values())
        leased = {leg.trial.candidate.key for leg in self._leased.values()}
        free = [c for c in self._contenders() if c.belief.candidate.key not in leased]
        leg = self._open_next(free, seconds_left, whole)
        for keep_all in (False, True):
            if leg is None:
                found = options(free, self._max_seeds, keep_all)
                leg = self._best_leg(found, seconds_left, whole)
        if leg is not None:
            self.lease(leg)
        return leg

    def opening(self) -> tuple[tuple[Candidate, ...], float]:
        """What is opened first, in order, and the share of the horizon that it is first given."""
        return tuple(self._start[key].candidate for key in self._opening), self._first_fraction

    def lease(self, leg: Leg) -> None:
        """Take note of a leg that is being trained, as asked of this race or an earlier copy."""
        self._leased[leg.id] = leg

    def tell(self, report: LegReport) -> None:
        """Learn what came of a leg; a cancelled one only ends its lease.

        Legs of candidates outside this race's space are left aside.
        """
        self._leased.pop(report.leg.id, None)
        trial = report.leg.trial
        if report.outcome == "cancelled" or trial.candidate.key not in self._pace:
            return
        progress = self._progress_of(trial)
        progress.n_stalled = 0 if report.examples > progress.examples else progress.n_stalled + 1
        progress.measurements += report.measurements
        progress.examples = max(progress.examples, report.examples)
        progress.outcome = report.outcome
        progress.curve = best_so_far(progress.measurements, self._metric)
        key = trial.candidate.key
        self._profiles[key] = self._profile(self._start[key], self._trials[key])
        self._wall_seconds += report.wall_seconds
        self._expected_seconds += self._pace[key].leg_seconds(report.leg)

    def leader(self) -> tuple[Candidate | None, float | None]:
        """The candidate with the best forecast now, and that forecast."""
        measured = [b for b in self._beliefs() if b.level == "measured" and b.infeasible is None]
        best = max(measured, key=lambda b: b.mean or 0.0, default=None)
        if best is None or best.mean is None:
            return None, None
        return best.candidate, self._metric.value(best.mean)

    def profiles(self) -> tuple[Profile, ...]:
        """What is known of every opened candidate, seeds pooled."""
        return tuple(self._profiles.values())

    def dropped(self) -> tuple[Trial, ...]:
        """Trials that will not go on: ended early, or beaten beyond their interval."""
        contenders = self._contenders()
        best = max((c.belief.mean or 0.0 for c in contenders if not c.is_out), default=0.0)
        keys = {
            c.belief.candidate.key
            for c in contenders
            if c.is_out or (c.belief.mean or 0.0) + _BEATEN_BY_SD * c.belief.sd < best
        }
        return tuple(p.trial for key in keys for p in self._trials.get(key, ()))

    def _beliefs(self) -> list[Belief]:
        return updated(tuple(self._start.values()), self.profiles())

    def _progress_of(self, trial: Trial) -> _Progress:
        mine = self._trials.setdefault(trial.candidate.key, [])
        for progress in mine:
            if progress.trial.id == trial.id:
                return progress
        mine.append(_Progress(trial))
        mine.sort(key=lambda progress: progress.trial.seed)
        return next(p for p in mine if p.trial.id == trial.id)

    def _contenders(self) -> list[Contender]:
        return [self._contender(b) for b in self._beliefs() if b.infeasible is None]

    def _contender(self, belief: Belief) -> Contender:
        key = belief.candidate.key
        trials = self._trials.get(key, [])
        return Contender(
            belief=belief,
            examples=trials[0].examples if trials else 0,
            n_seeds=len(trials),
            is_out=any(t.is_out for t in trials),
            rungs=self._pace[key].rungs(self._first_fraction),
        )

    def _plan_opening(
        self, feasible: Sequence[Belief], budget_seconds: float
    ) -> tuple[float, list[str]]:
        """The most settings per loss, then the largest first fraction, that the budget bears.

        A setting fewer rather than a first leg that tells nothing, most of which is the start of
        its child, and rather than settings that cannot go on. Replayed on ML-100K with 12 losses
        (60, 120 and 180 s, 8 worlds each): mean regret 0.7%, without the second rule 1.4%.
        """
        allowed, way = OPENING_SHARE * budget_seconds, _WAY_SHARE * budget_seconds
        most = max(len(group) for group in self._space.values())
        for fractions in (FIRST_FRACTIONS, _SHORT_FRACTIONS):
            for n_open in range(most, 0, -1):
                opening = self._opening_order(feasible, n_open)
                for fraction in fractions:
                    if n_open > 1 and self._way_seconds(opening, fraction) > way:
                        continue
                    if sum(self._opening_seconds(key, fraction) for key in opening) <= allowed:
                        return fraction, opening
        return _SHORT_FRACTIONS[-1], self._opening_order(feasible, 1)

    def _way_seconds(self, opening: Sequence[str], fraction: float) -> float:
        """Seconds of these settings on their way to the horizon, fewer of a loss at each rung."""
        by_loss: dict[str, list[str]] = {}
        for key in opening:
            by_loss.setdefault(self._start[key].candidate.loss, []).append(key)
        total = 0.0
        for keys in by_loss.values():
            pace = self._pace[keys[0]]
            trial = Trial(candidate=self._start[keys[0]].candidate, seed=self._seed)
            ends = itertools.pairwise((0, *pace.rungs(fraction)))
            legs = [pace.leg_seconds(pace.leg(trial, start, end)) for start, end in ends]
            total += sum(quota(len(keys), i) * seconds for i, seconds in enumerate(legs))
        return total

    def _opening_seconds(self, key: str, fraction: float) -> float:
        pace = self._pace[key]
        trial = Trial(candidate=self._start[key].candidate, seed=self._seed)
        return pace.leg_seconds(pace.leg(trial, 0, pace.rungs(fraction)[0]))

    def _opening_order(self, feasible: Sequence[Belief], n_open: int) -> list[str]:
        """Keys in opening order: setting by setting, in each round the cheapest loss first."""
        order: list[tuple[int, float, str]] = []
        for loss in self._space:
            mine = [b for b in feasible if b.candidate.loss == loss]
            # What similar tasks showed goes first; without that, the order of the search space.
            mine.sort(key=lambda b: -(b.mean or 0.0))
            order += [(i, b.horizon_seconds, b.candidate.key) for i, b in enumerate(mine[:n_open])]
        return [key for _, _, key in sorted(order)]

    def _open_next(self, free: Sequence[Contender], seconds_left: float, whole: bool) -> Leg | None:
        by_key = {c.belief.candidate.key: c for c in free}
        for key in self._opening:
            contender = by_key.get(key)
            if contender is None or contender.is_out or contender.examples:
                continue
            trial = Trial(candidate=contender.belief.candidate, seed=self._seed)
            leg = self._pace[key].leg(trial, 0, contender.rungs[0])
            if whole and self._cut(self._whole(trial), seconds_left):
                return self._whole(trial)
            if not whole and self._leg_seconds(leg) <= seconds_left:
                return leg
        return None

    def _best_leg(self, found: Sequence[Option], seconds_left: float, whole: bool) -> Leg | None:
        """The affordable leg with the greatest gain per second of the way to its horizon."""
        for option in sorted(found, key=self._worth, reverse=True):
            leg = self._fitting(option, seconds_left, whole)
            if leg is not None:
                return leg
        return None

    def _worth(self, option: Option) -> float:
        pace = self._pace[option.contender.belief.candidate.key]
        to_go = max(1, pace.horizon_examples - option.from_examples)
        return option.gain / (START_SECONDS + to_go * pace.seconds_per_example)

    def _fitting(self, option: Option, seconds_left: float, whole: bool) -> Leg | None:
        """The option's leg, cut at the last checkpoint that fits; half a further seed is none."""
        candidate = option.contender.belief.candidate
        trial = Trial(candidate=candidate, seed=self._seed + option.seed_index)
        leg = self._pace[candidate.key].leg(trial, option.from_examples, option.until_examples)
        if whole:
            if option.from_examples:
                return None  # it was stopped early, and would have to begin again
            leg = self._whole(trial)
        fitting = self._cut(leg, seconds_left)
        if fitting is None or fitting.until_examples <= option.from_examples:
            return None
        if option.seed_index and fitting != leg:
            return None
        return fitting

    def _whole(self, trial: Trial) -> Leg:
        pace = self._pace[trial.candidate.key]
        return pace.leg(trial, 0, pace.rungs(self._first_fraction)[-1])

    def _cut(self, leg: Leg, seconds_left: float) -> Leg | None:
        """The leg up to the last checkpoint that fits."""
        for n in range(len(leg.checkpoints), 0, -1):
            shorter = leg.model_copy(update={"checkpoints": leg.checkpoints[:n]})
            if self._leg_seconds(shorter) <= seconds_left:
                return shorter
        return None

    def _leg_seconds(self, leg: Leg) -> float:
        """Expected wall-clock of a leg, by its pace and by how far legs ran over that so far."""
        over = min(4.0, max(0.5, self._wall_seconds / self._expected_seconds))
        return over * self._pace[leg.trial.candidate.key].leg_seconds(leg)

    def _profile(self, start: Belief, group: Sequence[_Progress]) -> Profile:
        p, first = self._prepared, group[0]
        curve = pooled([g.curve for g in group], self._metric)
        batch_size = p.task.training.batch_size
        step = start.cost.seconds_per_example
        return Profile(
            task_name=p.task.name,
            task_fingerprint=p.task_fingerprint,
            kind=p.task.kind,
            metric=p.task.metric,
            statistics=p.statistics,
            embedding_dim=p.task.model.embedding_dim,
            batch_size=batch_size,
            device=p.device,
            candidate=start.candidate,
            n_seeds=max(1, sum(g.examples >= first.examples for g in group)),
            outcome=_worst(group),
            step_seconds=step and _scaled(step, batch_size),
            peak_bytes=start.cost.peak_bytes,
            final_examples=first.examples,
            final_value=curve[-1].value if curve else None,
            curve=curve,
        )


def _worst(group: Sequence[_Progress]) -> Outcome:
    """What went wrong with any seed of a candidate; `completed` where nothing did."""
    for progress in group:
        if progress.outcome != "completed":
            return progress.outcome
    return "completed"


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(
        low=interval.low * factor, mean=interval.mean * factor, high=interval.high * factor
    )
