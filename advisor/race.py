"""Race: ask for the next leg, tell what came of it; a pure function of what it was told.

The next leg is the one with the greatest expected gain in the decision per second, by what the
forecast says of all candidates together. It knows no clock: the seconds left come in with every
ask.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from advisor.allocation import Contender, Option, gains, improvements, options
from advisor.bank import share_of
from advisor.belief import beliefs, curve_of
from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate, Leg, LegReport, Profile, StepCost, Trial
from advisor.forecast import Curve, Forecast
from advisor.pace import Pace
from advisor.prior import EMPTY_BANK, Bank
from advisor.progress import Progress, profile_of

Array = npt.NDArray[np.float64]

_GAIN_AT_LEAST = 1e-5  # on the latent scale: below this nothing is worth its seconds
_BEATEN_BY_SD = 3.0  # standard deviations below the leader: its state is not kept
_FIRST_SHARE = 0.5  # of the budget, at most, for what stored tasks favour
_FIRST_STRETCH = 1 / 2  # of the horizon, at most, in a first leg
_UNTIMED_STRETCH = 1 / 64  # the same where nobody has timed a step: it also tells what steps take
_LOOK_SHARE = 0.1  # of the budget, at most, for one look at what is asked for
_SHARE_AT_LEAST = 1e-4  # of the best score: below this no training is worth its seconds
_N_PLANNED = 400  # draws to plan with
_N_DRAWS = 1000  # of the scores at the horizon: whole percents are told


class Race:
    """A race of trials for one prepared task on one device, leg by leg.

    `profiles` are those of other tasks, `bank` what is known besides them. Raises TaskInvalidError
    where no loss of the space is feasible, with the reason of each.
    """

    def __init__(
        self,
        prepared: Prepared,
        space: dict[str, tuple[Candidate, ...]],
        costs: Sequence[StepCost],
        *,
        budget_seconds: float,
        profiles: Sequence[Profile] = (),
        bank: Bank = EMPTY_BANK,
        seed: int = 0,
        max_seeds: int = 5,
    ) -> None:
        self._prepared, self._space = prepared, space
        self._metric = prepared.task.parsed_metric
        self._seed, self._max_seeds = seed, max_seeds
        self._trials: dict[str, list[Progress]] = {}  # by candidate key, the first seed first
        self._profiles: dict[str, Profile] = {}
        self._leased: dict[str, Leg] = {}
        self._wall_seconds = self._expected_seconds = 1.0
        self._forecast: Forecast | None = None
        start = beliefs(prepared.task, prepared.statistics, space, (), (), prepared.device, costs)
        self._start = {b.candidate.key: b for b in start}
        self._keys = list(self._start)
        self._number = {key: i for i, key in enumerate(self._keys)}
        self._curves: dict[int, Curve] = {}
        batch_size = prepared.task.training.batch_size
        self._pace = {key: Pace.of(b, batch_size) for key, b in self._start.items()}
        if not any(b.infeasible is None for b in start):
            told = "; ".join(f"{b.candidate.loss} {b.infeasible}" for b in start)
            raise TaskInvalidError(f"no loss is feasible: {told}")
        flat = [b.candidate for b in start]
        self._prior = bank.joined(profiles).prior(prepared.task, prepared.statistics, flat)
        self._look_seconds = _LOOK_SHARE * budget_seconds
        self._first_seconds = _FIRST_SHARE * budget_seconds
        self.why = ""
        """Why the leg that was asked last was asked, in words."""

    def ask(
        self, seconds_left: float, *, whole: bool = False, side_by_side: bool = False
    ) -> Leg | None:
        """The next leg, leased until it is told; None when settled or nothing affordable helps.

        With `whole` it is a trial from its start to the horizon, if the budget bears any of it:
        for a trainer that cannot stop a trial and go on with it later. Leased legs are paid from
        the same seconds, unless they run `side_by_side` with this one.
        """
        if not side_by_side:
            seconds_left -= sum(self._leg_seconds(leg) for leg in self._leased.values())
        leased = {leg.trial.candidate.key for leg in self._leased.values()}
        contenders = self._contenders()
        free = [c for c in contenders if self._key(c) not in leased]
        leg = (
            self._first_leg(free, seconds_left, whole)
            or self._first_look(free, seconds_left, whole)
            or self._finishing_leg(free, contenders, seconds_left, whole)
            or self._best_leg(free, contenders, seconds_left, whole)
            or self._leader_leg(free, seconds_left, whole)
        )
        if leg is not None:
            leg = leg if whole else self._stretch(leg)
            self.lease(leg)
        return leg

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
        self._progress_of(trial).learn(report, self._metric)
        key = trial.candidate.key
        start = self._start[key]
        profile = profile_of(start, self._trials[key], self._prepared)
        self._profiles[key] = profile
        if profile.curve:
            self._curves[self._number[key]] = curve_of(profile, start.horizon_examples)
            self._forecast = None
        self._wall_seconds += report.wall_seconds
        self._expected_seconds += self._pace[key].leg_seconds(report.leg)

    def leader(self) -> tuple[Candidate | None, float | None]:
        """The candidate with the best forecast now, and that forecast."""
        measured = [c for c in self._contenders() if c.index in self._curves]
        if not measured:
            return None, None
        mean, _ = self._at_horizon(measured)
        best = int(mean.argmax())
        candidate = self._start[self._key(measured[best])].candidate
        return candidate, self._metric.value(float(mean[best]))

    def p_best(self) -> float | None:
        """Probability that the leader's loss is the best at the horizon, by the metric alone."""
        leader, _ = self.leader()
        if leader is None:
            return None
        running = self._contenders()
        drawn = self._forecast_now().draws(*_ends(running), _N_DRAWS, self._seed)
        losses = np.array([self._start[self._key(c)].candidate.loss for c in running])
        return float((losses[drawn.argmax(1)] == leader.loss).mean())

    def profiles(self) -> tuple[Profile, ...]:
        """What is known of every opened candidate, seeds pooled."""
        return tuple(self._profiles.values())

    def dropped(self) -> tuple[Trial, ...]:
        """Trials that will not go on: ended early, or beaten beyond their interval."""
        out = {key for key, group in self._trials.items() if any(t.is_out for t in group)}
        running = self._contenders()
        if running:
            mean, sd = self._at_horizon(running)
            is_shown = np.array([c.index in self._curves for c in running])
            best = mean[is_shown].max(initial=0.0)
            beaten = mean + _BEATEN_BY_SD * sd < best
            out |= {self._key(c) for c, is_beaten in zip(running, beaten, strict=True) if is_beaten}
        return tuple(p.trial for key in out for p in self._trials.get(key, ()))

    def _progress_of(self, trial: Trial) -> Progress:
        mine = self._trials.setdefault(trial.candidate.key, [])
        if all(progress.trial.id != trial.id for progress in mine):
            mine.append(Progress(trial))
            mine.sort(key=lambda progress: progress.trial.seed)
        return next(p for p in mine if p.trial.id == trial.id)

    def _key(self, contender: Contender) -> str:
        return self._keys[contender.index]

    def _contenders(self) -> list[Contender]:
        """The candidates that may still be trained."""
        found: list[Contender] = []
        for key, start in self._start.items():
            trials = self._trials.get(key, [])
            if start.infeasible is None and not any(t.is_out for t in trials):
                pace = self._pace[key]
                found.append(
                    Contender(
                        index=self._number[key],
                        examples=trials[0].examples if trials else 0,
                        horizon_examples=pace.whole_horizon,
                        n_seeds=len(trials),
                        batch_size=pace.batch_size,
                    )
                )
        return found

    def _forecast_now(self) -> Forecast:
        """Of all candidates, by what is told so far."""
        if self._forecast is None:
            flat = [b.candidate for b in self._start.values()]
            self._forecast = Forecast(flat, self._prior, self._curves)
        return self._forecast

    def _at_horizon(self, contenders: Sequence[Contender]) -> tuple[Array, Array]:
        """Mean and standard deviation of the score at the horizon."""
        forecast, ends = self._forecast_now(), _ends(contenders)
        return forecast.mean(*ends), forecast.spread(*ends)

    def _ranked(self, contenders: Sequence[Contender]) -> list[Contender]:
        """The one with the best forecast first."""
        if not contenders:
            return []
        mean, _ = self._at_horizon(contenders)
        return [contenders[i] for i in np.argsort(-mean, kind="stable")]

    def _first_leg(self, free: Sequence[Contender], seconds_left: float, whole: bool) -> Leg | None:
        """What stored tasks favour is trained first: it is the measure of all others.

        Where nobody has timed a step, the shortest leg of it: how long may it take?
        """
        if self._profiles or self._leased or not free:
            return None
        leader = self._ranked(free)[0]
        found = options([leader], self._max_seeds, whole)
        if self._start[self._key(leader)].cost.at_worst > 1.0:
            self.why = "nobody has timed a step of it: how long does it take?"
            return self._fitting(found[0], seconds_left, whole, at_worst=1.0)
        if not self._prior.is_founded:
            return None
        self.why = "stored tasks favour it: it is the measure of all others"
        return self._fitting(found[-1], min(seconds_left, self._first_seconds), whole)

    def _first_look(
        self, free: Sequence[Contender], seconds_left: float, whole: bool
    ) -> Leg | None:
        """A short leg of what must be looked at, the most promising first.

        The gain over a named baseline is a number that is told; of a loss that is the user's own
        nothing is known without it; and what nobody has timed may cost ten times its price.
        """
        if not self._profiles:
            return None
        for contender in self._ranked(free):
            reason = self._reason_to_look(contender, whole)
            if reason and not contender.examples:
                shortest = options([contender], self._max_seeds, whole)[0]
                leg = self._fitting(shortest, min(seconds_left, self._look_seconds), whole)
                if leg is not None:
                    self.why = reason
                    return leg
        return None

    def _reason_to_look(self, contender: Contender, whole: bool) -> str | None:
        start = self._start[self._key(contender)]
        if self._is_named_baseline(start.candidate):
            return "it is the named baseline"
        if start.candidate.loss in {p.candidate.loss for p in self._profiles.values()}:
            return None
        if self._prior.widening[contender.index] > 1:
            return "no stored task has seen this loss"
        if start.cost.at_worst > 1 and not whole:
            return "nobody has timed a step of this loss: how long does it take?"
        return None

    def _is_named_baseline(self, candidate: Candidate) -> bool:
        baseline = self._prepared.task.baseline
        has_them = baseline.settings.items() <= candidate.settings.items()
        return bool(baseline.settings) and candidate.loss == baseline.loss and has_them

    def _finishing_leg(
        self,
        free: Sequence[Contender],
        contenders: Sequence[Contender],
        seconds_left: float,
        whole: bool,
    ) -> Leg | None:
        """The rest of the training that is expected to improve most per second on what is known.

        Only where stored tasks tell what is worth ending; else many are looked at first.
        """
        if not self._prior.is_founded:
            return None
        ends: dict[int, Leg] = {}
        for contender in free:
            start, pace = self._start[self._key(contender)], self._pace[self._key(contender)]
            trial = Trial(candidate=start.candidate, seed=self._seed)
            leg = pace.leg(trial, contender.examples, contender.horizon_examples)
            fits = start.cost.at_worst * self._leg_seconds(leg) <= seconds_left
            if fits and not contender.is_over(whole):
                ends[contender.index] = leg
        places = [i for i, c in enumerate(contenders) if c.index in ends]
        if not places:
            return None
        drawn = self._forecast_now().draws(*_ends(contenders), _N_PLANNED, self._seed)
        drawn /= drawn.max(1, keepdims=True)  # how high the best lies is the same for all
        found = improvements(drawn, np.array([c.is_at_horizon for c in contenders]))[places]
        seconds = np.array([self._leg_seconds(ends[contenders[i].index]) for i in places])
        shares = found / drawn.mean(0).max()
        best = int(np.where(shares > _SHARE_AT_LEAST, shares / seconds, 0.0).argmax())
        share = float(shares[best])
        self.why = (
            f"trained to the end it is expected to add {share:.2%} to the best score for "
            f"{seconds[best]:.2g} s, more per second than any other"
        )
        return ends[contenders[places[best]].index] if share > _SHARE_AT_LEAST else None

    def _best_leg(
        self,
        free: Sequence[Contender],
        contenders: Sequence[Contender],
        seconds_left: float,
        whole: bool,
    ) -> Leg | None:
        """The affordable leg with the greatest expected gain per second."""
        if self._prior.is_founded and not any(c.is_over(whole) for c in contenders):
            return None  # stored tasks tell more than beginnings do, which would mislead
        found = options(free, self._max_seeds, whole)
        fitting = [(o, leg) for o in found if (leg := self._fitting(o, seconds_left, whole))]
        if not fitting:
            return None
        asked = [replace(o, until_examples=leg.until_examples) for o, leg in fitting]
        gain = gains(asked, contenders, self._forecast_now())
        seconds = np.array([self._leg_seconds(leg) for _, leg in fitting])
        best = int((gain / seconds).argmax())
        self.why = (
            f"expected to add {self._relative(gain[best]):.2%} to the best forecast for its "
            f"{seconds[best]:.2g} s, more per second than any other leg"
        )
        return fitting[best][1] if gain[best] > _GAIN_AT_LEAST else None

    def _relative(self, gain: float) -> float:
        """What a gain on the latent scale adds to the best forecast, as a share of that."""
        best = self._forecast_now().latents(*_ends(self._contenders())).max()
        now, then = share_of(np.array([best, best + gain]))
        return float(then / now - 1)

    def _leader_leg(
        self, free: Sequence[Contender], seconds_left: float, whole: bool
    ) -> Leg | None:
        """Where nothing is worth more: how good is what the decision names, of what can be paid?"""
        self.why = "of what can be paid the decision favours it most: how good is it?"
        for contender in self._ranked(free):
            if contender.is_at_horizon:
                return None
            found = options([contender], self._max_seeds, whole)
            leg = self._fitting(found[-1], seconds_left, whole) if found else None
            if leg or (contender.examples and not whole):
                return leg
        return None

    def _stretch(self, leg: Leg) -> Leg:
        """At most as much again as is trained: a leg tells something, and is lost if it is cut off.

        A further seed is one leg: nothing in the middle of it would end it.
        """
        key = leg.trial.candidate.key
        pace = self._pace[key]
        first = _UNTIMED_STRETCH if self._start[key].cost.at_worst > 1.0 else _FIRST_STRETCH
        until = pace.whole(max(2 * leg.from_examples, first * pace.horizon_examples))
        if leg.trial.seed != self._seed or until >= leg.until_examples:
            return leg
        return pace.leg(leg.trial, leg.from_examples, until)

    def _fitting(
        self, option: Option, seconds_left: float, whole: bool, at_worst: float | None = None
    ) -> Leg | None:
        """The option's leg, cut where the curve's points fit; half a further seed is none.

        A leg whose steps nobody has timed fits only if it does so `at_worst` times as long as
        expected; a whole trial is worth that it may take longer.
        """
        key = self._key(option.contender)
        candidate, pace = self._start[key].candidate, self._pace[key]
        trial = Trial(candidate=candidate, seed=self._seed + option.seed_index)
        leg = pace.leg(trial, option.from_examples, option.until_examples)
        factor = 1.0 if whole else at_worst or self._start[key].cost.at_worst
        if factor * self._leg_seconds(leg) <= seconds_left:
            return leg
        if option.seed_index:
            return None
        for until in pace.ends(option.from_examples, option.until_examples)[::-1]:
            shorter = pace.leg(trial, option.from_examples, until)
            if factor * self._leg_seconds(shorter) <= seconds_left:
                return leg if whole else shorter
        return None

    def _leg_seconds(self, leg: Leg) -> float:
        """Expected wall-clock of a leg, by its pace and by how far legs ran over that so far.

        That other legs were faster than their price says nothing of this one, whose seconds count.
        """
        over = min(4.0, max(1.0, self._wall_seconds / self._expected_seconds))
        return over * self._pace[leg.trial.candidate.key].leg_seconds(leg)


def _ends(contenders: Sequence[Contender]) -> tuple[npt.NDArray[np.int64], Array]:
    """Their numbers, and their steps at the horizon: where a forecast is asked for them."""
    who = np.array([c.index for c in contenders], dtype=np.int64)
    return who, np.array([c.horizon_examples / c.batch_size for c in contenders])
