"""What a training to the horizon is worth, and how often it is looked at on the way."""

import numpy as np
import pytest

from advisor.allocation import improvements
from advisor.evidence import Candidate, Trial
from advisor.pace import Pace

NONE_KNOWN = np.zeros(3, dtype=bool)
TRIAL = Trial(candidate=Candidate(loss="softmax", settings={}), seed=0)


def test_of_equal_means_the_uncertain_candidate_is_worth_more() -> None:
    drawn = np.random.default_rng(0).standard_normal((4000, 3)) * [0.0, 0.1, 0.3] + 1.0
    found = improvements(drawn, NONE_KNOWN)
    assert found[0] == pytest.approx(0.0, abs=0.01)
    assert found[0] < found[1] < found[2]


def test_knowing_the_best_is_worth_what_the_second_saves_where_it_fails() -> None:
    drawn = np.array([[1.0, 0.6, 0.0], [0.5, 0.6, 0.0]])  # .75 expected; then the second instead
    found = improvements(drawn, NONE_KNOWN)
    assert found[0] == pytest.approx((1.0 + 0.6) / 2 - 0.75)


def test_what_is_at_its_horizon_adds_nothing_and_is_the_measure_of_the_others() -> None:
    drawn = np.array([[0.8, 0.7, 0.9], [0.8, 0.75, 0.7]])
    found = improvements(drawn, np.array([True, False, False]))
    assert found[0] == 0.0
    assert found[1] == pytest.approx(0.0)  # never above what is known
    assert found[2] == pytest.approx(0.05)  # once .1 above, else the known one is kept


def test_a_lone_candidate_is_worth_nothing_as_nothing_else_could_be_chosen() -> None:
    drawn = np.random.default_rng(0).random((10, 1))
    assert improvements(drawn, np.zeros(1, dtype=bool)).tolist() == [pytest.approx(0.0)]


@pytest.mark.parametrize(
    ("evaluation_seconds", "n_looks"), [(0.0, 15), (0.01, 15), (0.05, 3), (0.1, 2), (9.0, 1)]
)
def test_looking_takes_a_quarter_of_the_training_at_most(
    evaluation_seconds: float, n_looks: int
) -> None:
    pace = Pace(100_000, 100, seconds_per_example=1e-5, evaluation_seconds=evaluation_seconds)
    leg = pace.leg(TRIAL, 0, 100_000)  # of 1 s
    assert len(leg.checkpoints) == n_looks
    assert leg.checkpoints[-1] == 100_000
    assert n_looks == 1 or n_looks * evaluation_seconds <= 0.25


def test_fewer_looks_are_some_of_the_usual_ones() -> None:
    often = Pace(100_000, 100, seconds_per_example=1e-5, evaluation_seconds=0.0)
    seldom = Pace(100_000, 100, seconds_per_example=1e-5, evaluation_seconds=0.05)
    all_of_them = often.leg(TRIAL, 0, 100_000).checkpoints
    some = seldom.leg(TRIAL, 0, 100_000).checkpoints
    assert set(some) < set(all_of_them)
    assert list(some) == sorted(some)


def test_a_leg_of_a_single_look_may_still_end_wherever_the_curve_is_usually_looked_at() -> None:
    dear = Pace(100_000, 100, seconds_per_example=1e-5, evaluation_seconds=9.0)
    assert dear.leg(TRIAL, 0, 100_000).checkpoints == (100_000,)
    assert len(dear.ends(0, 100_000)) > 10
