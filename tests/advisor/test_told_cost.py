"""Costs where nobody could probe: measured where they were told, in proportion elsewhere."""

import pytest

from advisor.cost import cost_of, shape_of
from advisor.race import Race
from advisor.search_space import candidates
from advisor.told_cost import told_costs
from tests.advisor.worlds import DEVICE, STATISTICS, STEP_SECONDS, prepared, report, task


def _told(*losses: str, factor: float = 1.0):
    """Reports of one leg of each loss, on a device that is so much slower."""
    asked = task()
    race = Race(prepared(asked), candidates(asked, STATISTICS), (), budget_seconds=1e6)
    reports = []
    while len(reports) < len(losses):
        leg = race.ask(1e9)
        assert leg is not None
        loss = leg.trial.candidate.loss
        if loss in losses and loss not in [r.leg.trial.candidate.loss for r in reports]:
            step = factor * STEP_SECONDS[loss] / asked.training.batch_size
            reports.append(report(leg, seconds_per_example=step))
        race.tell(report(leg))
    return asked, reports


def test_nothing_told_is_nothing_known() -> None:
    asked = task()
    assert told_costs(asked, STATISTICS, candidates(asked, STATISTICS), ()) == ()


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_the_first_tells_set_the_scale_of_every_loss(factor: float) -> None:
    asked, reports = _told("bpr", "softmax", factor=factor)
    costs = told_costs(asked, STATISTICS, candidates(asked, STATISTICS), reports)
    by_loss = {cost.candidate.loss: cost for cost in costs}
    assert set(by_loss) == set(STEP_SECONDS)
    for loss, cost in by_loss.items():
        assert cost.step_seconds is not None
        expected = factor * STEP_SECONDS[loss]
        if loss in ("bpr", "softmax"):
            assert cost.step_seconds.mean == pytest.approx(expected)
            assert cost.detail == "told by trainers"
        else:  # a formula's proportions: the order of magnitude, whatever the device
            assert expected / 10 < cost.step_seconds.mean < 10 * expected
            assert cost.step_seconds.high > 1.9 * cost.step_seconds.mean


def test_a_cost_says_what_it_rests_on() -> None:
    asked, reports = _told("softmax")
    space = candidates(asked, STATISTICS)
    costs = told_costs(asked, STATISTICS, space, reports)
    sources = {
        loss: cost_of(shape_of(group[0]), asked, STATISTICS, DEVICE, costs).source
        for loss, group in space.items()
    }
    assert sources["softmax"] == "told by trainers"
    assert sources["bpr"] == "its formula, in proportion to others"


def test_the_largest_peak_that_was_told_counts() -> None:
    asked, reports = _told("bpr")
    larger = [r.model_copy(update={"peak_bytes": n}) for r in reports for n in (7, 9, None)]
    costs = told_costs(asked, STATISTICS, candidates(asked, STATISTICS), larger)
    (bpr,) = [cost for cost in costs if cost.candidate.loss == "bpr"]
    assert bpr.peak_bytes == 9
