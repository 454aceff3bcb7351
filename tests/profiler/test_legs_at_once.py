"""Legs side by side: the race hears of each once, in whatever order they end, and stops with one.

Curves of known shape stand in for what a leg measures; each leg has a thread, as a real one has.
"""

import threading
import time
from collections.abc import Callable

import pytest

from advisor.evidence import Leg, LegReport
from advisor.race import Race
from profiler.legs_at_once import TrainLeg, race_legs
from tests.advisor.worlds import STEP_SECONDS, new_race, report, run, task


def told(leg: Leg) -> LegReport:
    return report(leg, seconds_per_example=STEP_SECONDS[leg.trial.candidate.loss] / 512)


class Run:
    """A race of which so many legs are trained at once, with all that began and ended."""

    def __init__(self, train: TrainLeg, n_at_once: int, race: Race | None = None) -> None:
        self.started: list[Leg] = []
        self.ended: list[LegReport] = []
        self.budget_seconds = 60.0
        self.race = race or new_race(task())
        self._train, self._n_at_once = train, n_at_once

    def go(self, should_stop: Callable[[], bool] = lambda: False) -> "Run":
        race_legs(
            self.race,
            lambda: self.budget_seconds - sum(report.wall_seconds for report in self.ended),
            self._train,
            n_at_once=lambda: self._n_at_once,
            should_stop=should_stop,
            on_start=self.started.append,
            on_end=self.ended.append,
        )
        return self


class Crowd:
    """Trains in no time, but not before so many legs are being trained."""

    def __init__(self, n_expected: int) -> None:
        self.n_most, self._running, self._n_expected = 0, set[Leg](), n_expected
        self._changed = threading.Condition()

    def __call__(self, leg: Leg, deadline: float, should_stop: Callable[[], bool]) -> LegReport:
        with self._changed:
            trials = {running.trial.id for running in self._running}
            assert leg.trial.id not in trials, "its next leg begins where this one ends"
            self._running.add(leg)
            self.n_most = max(self.n_most, len(self._running))
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._running) >= self._n_expected, timeout=0.3)
            self._running.remove(leg)
        return told(leg)


def test_one_at_a_time_is_ask_and_tell_in_turn() -> None:
    expected, _ = run(new_race(task()), 60)
    alone = Run(lambda leg, *_: told(leg), n_at_once=1).go()
    assert alone.ended == expected
    assert alone.started == [r.leg for r in expected]


def test_several_legs_of_different_trials_are_trained_at_once() -> None:
    crowd = Crowd(3)
    done = Run(crowd, n_at_once=3).go()
    assert crowd.n_most == 3
    ids = [r.leg.id for r in done.ended]
    assert len(ids) == len(set(ids)) == len(done.started)
    best, _ = done.race.leader()
    assert best is not None
    assert best.loss in ("softmax", "rg2")


def test_a_leg_of_which_nothing_came_may_be_asked_again() -> None:
    lost: list[Leg] = []

    def lose_the_second(leg: Leg, *_: object) -> LegReport | None:
        if len(lost) < 2:
            lost.append(leg)
            if len(lost) == 2:
                return None
        return told(leg)

    done = Run(lose_the_second, n_at_once=1).go()
    assert lost[1] not in [r.leg for r in done.ended[:1]]
    assert done.started[1:3] == [lost[1], lost[1]]
    assert [r.leg for r in done.ended].count(lost[1]) == 1


def test_what_a_leg_raises_ends_the_others_and_is_raised() -> None:
    both, stopped = threading.Barrier(2), list[Leg]()

    def train(leg: Leg, deadline: float, should_stop: Callable[[], bool]) -> LegReport:
        both.wait()
        if leg == failing.started[1]:
            raise RuntimeError("the database is gone")
        while not should_stop():
            time.sleep(0.01)
        stopped.append(leg)
        return told(leg)

    failing = Run(train, n_at_once=2)
    with pytest.raises(RuntimeError, match="the database is gone"):
        failing.go()
    assert stopped == failing.started[:1]


def test_told_to_stop_all_legs_end_and_are_told() -> None:
    both = threading.Barrier(2)

    def train(leg: Leg, deadline: float, should_stop: Callable[[], bool]) -> LegReport:
        both.wait()
        while not should_stop():
            time.sleep(0.01)
        return told(leg).model_copy(update={"outcome": "cancelled"})

    stopping = Run(train, n_at_once=2)
    done = stopping.go(should_stop=lambda: len(stopping.started) == 2)
    assert len(done.ended) == 2
    assert len(done.started) == 2


def test_the_budget_is_the_deadline_of_every_leg() -> None:
    deadlines: list[float] = []

    def train(leg: Leg, deadline: float, should_stop: Callable[[], bool]) -> LegReport:
        deadlines.append(deadline - time.monotonic())
        return told(leg)

    done = Run(train, n_at_once=2).go()
    assert deadlines[0] == pytest.approx(60, abs=1)
    assert deadlines[-1] < 60 - done.ended[0].wall_seconds
