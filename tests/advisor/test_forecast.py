"""The forecast: measured points are kept, the unknown is wide, and it narrows with what is seen."""

import numpy as np
import pytest

from advisor.forecast import SEED_SD, Curve, Field

HORIZON = 1_000_000.0


def curve(reach: float, final: float = 0.3, tau: float = 0.05, k: float = 1.2) -> Curve:
    """A saturating curve measured up to a share of its horizon."""
    t = np.geomspace(HORIZON / 1000, reach * HORIZON, 12)
    values = final * (1 + tau**k) / (1 + (tau * HORIZON / t) ** k)
    return Curve.of(t.tolist(), values.tolist(), HORIZON)


def flat(reach: float, value: float) -> Curve:
    t = np.geomspace(HORIZON / 1000, reach * HORIZON, 8)
    return Curve.of(t.tolist(), [value] * 8, HORIZON)


def test_a_candidate_at_its_horizon_is_its_measurement() -> None:
    done = curve(1.0)
    seen = Field([done]).outlook(done, n_seeds=1)
    assert seen.mean == pytest.approx(0.3)
    assert seen.sd == pytest.approx(SEED_SD * 0.3)


def test_further_seeds_narrow_what_was_measured() -> None:
    done = curve(1.0)
    one, four = (Field([done]).outlook(done, n) for n in (1, 4))
    assert four.sd == pytest.approx(one.sd / 2)


def test_the_interval_narrows_as_the_curve_comes_closer() -> None:
    leader = curve(1.0)
    relative = []
    for reach in (0.02, 0.1, 0.3, 0.9):
        rival = curve(reach)
        seen = Field([leader, rival]).outlook(rival, 1)
        relative.append(seen.sd / seen.mean)
    assert relative == sorted(relative, reverse=True)
    assert relative[-1] < relative[0] / 3


@pytest.mark.parametrize("reach", [0.02, 0.05, 0.1, 0.3, 0.6])
def test_the_level_lies_within_three_standard_deviations_of_the_truth(reach: float) -> None:
    field = Field([curve(reach), curve(reach, final=0.2)])
    assert abs(field.level - 0.3) < 3 * field.level_sd * field.level


@pytest.mark.parametrize("reach", [0.02, 0.1, 0.5])
def test_the_better_curve_at_the_same_share_is_forecast_better(reach: float) -> None:
    better, worse = curve(reach, final=0.3), curve(reach, final=0.2)
    field = Field([better, worse])
    assert field.outlook(better, 1).mean > field.outlook(worse, 1).mean


def test_early_differences_fade_and_late_ones_stay() -> None:
    """A curve at half the leader's value: nearly level early on, nearly half late."""
    leader = curve(1.0)
    shares = []
    for reach in (0.01, 0.9):
        rival = curve(reach, final=0.15)
        shares.append(Field([leader, rival]).outlook(rival, 1).mean / 0.3)
    assert shares[0] > 0.75
    assert 0.5 <= shares[1] < 0.6


def test_a_forecast_is_never_below_the_best_so_far() -> None:
    rival = curve(0.5)
    outlook = Field([curve(1.0, final=0.1), rival]).outlook(rival, 1)
    assert outlook.mean >= rival.values[-1]


def test_the_path_keeps_the_measured_points_and_never_falls() -> None:
    rival = curve(0.1)
    field = Field([curve(0.4), rival])
    outlook = field.outlook(rival, 1)
    shares = np.concatenate([rival.shares, np.geomspace(0.1, 1.0, 30)])
    mean, sd = field.path(rival, outlook, shares)
    assert mean[: len(rival.shares)] == pytest.approx(rival.values, rel=1e-3)
    assert (np.diff(mean) >= -1e-9).all()
    assert mean[-1] == pytest.approx(outlook.mean)
    assert sd[-1] >= outlook.sd


def test_a_curve_that_is_still_flat_is_not_written_off() -> None:
    late = flat(1 / 60, 0.004)
    seen = Field([curve(1 / 60), late]).outlook(late, 1)
    best = Field([curve(1 / 60), late]).level
    assert seen.mean + 3 * seen.sd > 0.7 * best


def test_what_has_ended_does_not_share_the_doubt_about_the_level() -> None:
    under_way, done = curve(0.3, final=0.4), curve(1.0, final=0.2)
    t = np.geomspace(HORIZON / 1000, HORIZON * 0.8, 12)
    values = np.minimum(0.29, 0.3 * (t / (0.3 * HORIZON)) ** 0.5)
    peaked = Curve.of(t.tolist(), values.tolist(), HORIZON)
    field = Field([under_way, done, peaked])
    assert field.outlook(done, 1).level_sd == 0.0
    assert field.outlook(peaked, 1).level_sd == 0.0
    assert field.outlook(peaked, 1).mean == pytest.approx(0.29)


def test_single_points_and_zeros_are_answered_with_finite_numbers() -> None:
    for values in ([0.01], [0.0]):
        only = Curve.of([512.0], values, HORIZON)
        field = Field([only])
        seen = field.outlook(only, 1)
        mean, sd = field.path(only, seen, np.array([0.001, 0.1, 1.0]))
        assert np.isfinite([seen.mean, seen.sd, field.level, *mean, *sd]).all()


def test_no_warning_and_no_error_on_random_fields() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        curves = []
        for _ in range(generator.integers(1, 8)):
            n = generator.integers(1, 20)
            t = np.sort(generator.uniform(100, HORIZON * 1.2, n))
            y = np.maximum.accumulate(generator.uniform(0, 0.4, n) * generator.integers(0, 2))
            curves.append(Curve.of(t.tolist(), y.tolist(), HORIZON))
        field = Field(curves)
        for one in curves:
            seen = field.outlook(one, 1)
            mean, sd = field.path(one, seen, np.geomspace(0.001, 1.0, 20))
            assert np.isfinite([seen.mean, seen.sd, *mean, *sd]).all()
            assert seen.sd >= 0
