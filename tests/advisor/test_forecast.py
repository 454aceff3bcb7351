"""The forecast: measured points are kept, the unknown is wide, and it narrows with what is seen."""

import numpy as np
import pytest

from advisor.forecast import SEED_SD, forecast

HORIZON = 1_000_000.0


def hill(t: np.ndarray, final: float = 0.3, tau: float = 0.05, k: float = 1.2) -> np.ndarray:
    return final * (1 + tau**k) / (1 + (tau * HORIZON / t) ** k)


def seen(until: float) -> tuple[np.ndarray, np.ndarray]:
    t = np.geomspace(HORIZON / 1000, until * HORIZON, 12)
    return t, hill(t)


def test_a_point_already_measured_is_the_measurement() -> None:
    t, y = seen(1.0)
    found = forecast(t, y, [t[4], HORIZON], HORIZON, level=0.3)
    assert found.mean == pytest.approx([y[4], y[-1]])
    assert found.sd == pytest.approx(SEED_SD * found.mean)


def test_further_seeds_narrow_what_was_measured() -> None:
    t, y = seen(1.0)
    one = forecast(t, y, [HORIZON], HORIZON, level=0.3)
    four = forecast(t, y, [HORIZON], HORIZON, level=0.3, n_seeds=4)
    assert four.sd[0] == pytest.approx(one.sd[0] / 2)


def test_the_interval_narrows_as_the_curve_comes_closer() -> None:
    sds = [forecast(*seen(f), [HORIZON], HORIZON, 0.3).sd[0] for f in (0.02, 0.1, 0.3, 0.9)]
    assert sds == sorted(sds, reverse=True)


@pytest.mark.parametrize("until", [0.05, 0.1, 0.3, 0.6])
def test_the_truth_lies_within_three_standard_deviations(until: float) -> None:
    found = forecast(*seen(until), [HORIZON], HORIZON, level=0.25)
    assert abs(found.mean[0] - 0.3) < 3 * found.sd[0]


def test_best_so_far_never_falls() -> None:
    t, y = seen(0.1)
    at = np.geomspace(t[0], HORIZON, 60)
    found = forecast(t, y, at, HORIZON, level=0.3)
    assert (np.diff(found.mean) >= -1e-12).all()


def test_a_curve_that_is_still_flat_is_not_written_off() -> None:
    t = np.geomspace(HORIZON / 1000, HORIZON / 30, 8)
    found = forecast(t, np.full(8, 0.004), [HORIZON], HORIZON, level=0.2)
    assert found.mean[0] + 2 * found.sd[0] > 0.2


def test_a_single_point_is_enough_to_answer() -> None:
    found = forecast([512], [0.01], [HORIZON], HORIZON, level=0.02)
    assert np.isfinite(found.mean).all()
    assert found.sd[0] > 0


def test_a_metric_of_zero_is_no_division_by_zero() -> None:
    found = forecast([512, 1024], [0.0, 0.0], [HORIZON], HORIZON, level=0.0)
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.sd).all()
