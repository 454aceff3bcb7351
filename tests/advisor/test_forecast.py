"""The forecast: measured points are kept, the unknown is wide, and it narrows with what is seen."""

import numpy as np
import pytest

from advisor.bank import CEILING, Kin, alike, share_of
from advisor.evidence import Candidate
from advisor.forecast import SEED_SD, Curve, Forecast
from advisor.prior import Bank, Prior
from tests.advisor.worlds import STATISTICS, task

HORIZON_STEPS = 4096.0
RATES = (0.001, 0.003, 0.01)
CANDIDATES = tuple(
    Candidate(loss=loss, settings={"learning_rate": rate, "weight_decay": 1e-5})
    for loss in ("softmax", "rg2", "bpr")
    for rate in RATES
)


def curve(reach: float, final: float = 0.3, half: float = 200.0, n_seeds: int = 1) -> Curve:
    """A saturating curve measured up to a share of the horizon."""
    steps = np.geomspace(4.0, reach * HORIZON_STEPS, 16)
    shape = (1 + half / HORIZON_STEPS) / (1 + half / steps)
    return Curve(steps, final * shape, n_seeds)


def blind() -> Prior:
    """What is expected without any stored profile."""
    return Bank().prior(task(), STATISTICS, CANDIDATES)


def forecast(curves: dict[int, Curve]) -> Forecast:
    return Forecast(CANDIDATES, blind(), curves)


def way(seen: Forecast, index: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of one candidate on its way, and their standard deviations."""
    return seen.ways([index], [steps])[0]


def end(seen: Forecast, index: int) -> tuple[float, float]:
    """Mean score at the horizon, and its standard deviation relative to the level."""
    who, steps = np.array([index]), np.array([HORIZON_STEPS])
    room = CEILING - share_of(seen.latents(who, steps))  # how a share moves with its latent
    return float(seen.mean(who, steps)[0]), float((room * seen.latent_sd(who, steps))[0])


def test_without_any_curve_the_prior_speaks_for_all_alike() -> None:
    seen = forecast({})
    ends = [end(seen, i) for i in range(len(CANDIDATES))]
    assert len({round(mean, 9) for mean, _ in ends}) == 1
    assert all(sd > 0.1 for _, sd in ends)


def test_a_candidate_at_its_horizon_is_its_measurement() -> None:
    seen = forecast({0: curve(1.0)})
    mean, sd = way(seen, 0, np.array([HORIZON_STEPS]))
    assert mean[0] == pytest.approx(0.3)
    assert sd[0] == pytest.approx(SEED_SD * 0.3)
    mean_beside_others, sd_beside_others = end(seen, 0)
    assert mean_beside_others == pytest.approx(0.3, rel=0.005)
    assert sd_beside_others <= SEED_SD


def test_further_seeds_narrow_what_was_measured() -> None:
    ends = np.array([HORIZON_STEPS])
    one, four = (way(forecast({0: curve(1.0, n_seeds=n)}), 0, ends)[1][0] for n in (1, 4))
    assert four == pytest.approx(one / 2)


def test_the_interval_narrows_as_the_curve_comes_closer() -> None:
    leader = curve(1.0)
    spreads = [end(forecast({0: leader, 3: curve(reach)}), 3)[1] for reach in (0.02, 0.1, 0.3, 0.9)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 3


@pytest.mark.parametrize("reach", [0.02, 0.05, 0.1, 0.3, 0.6])
def test_the_truth_lies_within_three_standard_deviations(reach: float) -> None:
    seen = forecast({0: curve(reach), 3: curve(reach, final=0.2)})
    who, steps = np.array([0]), np.array([HORIZON_STEPS])
    assert abs(0.3 - seen.mean(who, steps)[0]) < 3 * seen.spread(who, steps)[0]


@pytest.mark.parametrize("reach", [0.02, 0.1, 0.5])
def test_the_better_curve_at_the_same_steps_is_forecast_better(reach: float) -> None:
    seen = forecast({0: curve(reach, final=0.3), 3: curve(reach, final=0.2)})
    assert end(seen, 0)[0] > end(seen, 3)[0]


def test_early_differences_fade_and_late_ones_stay() -> None:
    """A curve at half the leader's value: nearer to it when seen early than when seen late."""
    shares = [
        end(forecast({0: curve(1.0), 3: curve(reach, final=0.15)}), 3)[0] / 0.3
        for reach in (0.01, 0.9)
    ]
    assert shares[0] > 0.75
    assert 0.5 <= shares[1] < 0.6


def test_what_one_rate_shows_moves_the_others_of_its_loss_more_than_those_of_other_losses() -> None:
    before = forecast({0: curve(0.2)})
    after = forecast({0: curve(0.2), 4: curve(0.2, final=0.45)})
    sibling, stranger = (end(after, i)[0] / end(before, i)[0] for i in (3, 6))
    assert sibling > stranger


def test_what_one_rate_shows_near_rates_share_more_than_far_ones() -> None:
    before = forecast({0: curve(0.2)})
    after = forecast({0: curve(0.2), 3: curve(0.2, final=0.45)})  # rg2 at the least rate
    same, near, far = (end(after, i)[0] / end(before, i)[0] for i in (6, 7, 8))  # bpr
    assert same > near > far
    kin = [Kin.of(Candidate(loss="rg2", settings={"learning_rate": r})) for r in RATES]
    shared = alike(kin)["loss_rate"]
    assert np.all(np.diag(shared) == 1.0)
    assert 0 < shared[0, 2] < shared[0, 1] < 1


def test_a_loss_without_a_learning_rate_shares_no_rate_with_others() -> None:
    kin = [Kin.of(Candidate(loss="own", settings=s)) for s in ({}, {"learning_rate": 0.01}, {})]
    assert alike(kin)["rate"].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_draws_of_candidates_go_together_as_far_as_they_are_alike() -> None:
    seen = forecast({0: curve(0.1)})
    who = np.array([3, 4, 6])
    drawn = seen.draws(who, np.full(3, HORIZON_STEPS), 4000, seed=0)
    together = np.corrcoef(drawn.T)
    assert together[0, 1] > together[0, 2] > 0.1


def test_draws_have_the_mean_and_the_spread_that_are_told() -> None:
    seen = forecast({0: curve(1.0), 3: curve(0.3)})
    who, ends = np.array([0, 3]), np.full(2, HORIZON_STEPS)
    drawn = seen.draws(who, ends, 20_000, seed=1)
    assert drawn.mean(0) == pytest.approx(seen.mean(who, ends), rel=0.02)
    assert drawn.std(0) == pytest.approx(seen.spread(who, ends), rel=0.1)


def test_the_path_keeps_the_measured_points_and_never_falls() -> None:
    rival = curve(0.1)
    seen = forecast({0: curve(0.4), 3: rival})
    steps = np.concatenate([rival.steps, np.geomspace(rival.reach, HORIZON_STEPS, 30)])
    mean, sd = way(seen, 3, steps)
    assert mean[: len(rival.steps)] == pytest.approx(rival.scores, rel=1e-3)
    assert (np.diff(mean) >= -1e-9).all()
    assert sd[-1] > sd[0]


def test_a_curve_that_is_still_flat_is_not_written_off() -> None:
    steps = np.geomspace(4, HORIZON_STEPS / 60, 8)
    late = Curve(steps, np.full(8, 0.004))
    mean, sd = end(forecast({0: curve(1 / 60), 3: late}), 3)
    best = end(forecast({0: curve(1 / 60)}), 0)[0]
    assert mean + 3 * sd * best > 0.7 * best


def test_a_forecast_is_never_below_the_best_so_far() -> None:
    rival = curve(0.5)
    mean, _ = way(forecast({0: curve(1.0, final=0.1), 3: rival}), 3, np.array([HORIZON_STEPS]))
    assert mean[0] >= rival.scores[-1]


def test_single_points_and_zeros_are_answered_with_finite_numbers() -> None:
    for score in (0.01, 0.0):
        seen = forecast({0: Curve(np.array([1.0]), np.array([score]))})
        assert np.isfinite([seen.level, *end(seen, 0), *end(seen, 5)]).all()
        assert np.isfinite(way(seen, 0, np.array([1.0, 64.0, HORIZON_STEPS]))).all()


def test_no_warning_and_no_error_on_random_curves() -> None:
    generator = np.random.default_rng(0)
    who, ends = np.arange(len(CANDIDATES)), np.full(len(CANDIDATES), HORIZON_STEPS)
    for _ in range(200):
        curves: dict[int, Curve] = {}
        for index in range(generator.integers(1, 8)):
            n = generator.integers(1, 20)
            steps = np.sort(generator.uniform(1, HORIZON_STEPS * 1.2, n))
            scores = np.maximum.accumulate(generator.uniform(0, 0.4, n) * generator.integers(0, 2))
            curves[index] = Curve(steps, scores)
        seen = forecast(curves)
        assert np.isfinite([seen.mean(who, ends), seen.spread(who, ends)]).all()
        assert (seen.latent_sd(who, ends) >= 0).all()
        assert np.isfinite(seen.draws(who, ends, 10, seed=0)).all()
        assert np.isfinite(way(seen, 0, np.geomspace(4, HORIZON_STEPS, 20))).all()
