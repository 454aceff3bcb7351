"""The Taylor gap of the quadratic forms: where they are near softmax, and where not."""

import math

import pytest
import torch

from tests.theory.populations import Population, normal, uniform

C = 10_000


def _gap(name: str, scores: torch.Tensor) -> float:
    """log mean exp(s) less its quadratic: the two losses less log C, whatever the target."""
    found = []
    for loss in ("softmax", name):
        population = Population(loss, uniform(len(scores)))
        population.set_scores(scores[None])
        found.append(float(population.layer(population.hidden, torch.tensor([1])).detach()))
    return found[0] - math.log(len(scores)) - found[1]


@pytest.mark.parametrize("name", ["rg2", "rgx"])
def test_the_quadratic_is_near_softmax_for_a_bulk_of_normal_scores(name: str) -> None:
    assert abs(_gap(name, normal(C))) < 0.02
    assert abs(_gap(name, 0.1 * normal(C))) < 1e-4


@pytest.mark.parametrize("name", ["rg2", "rgx"])
def test_the_quadratic_misses_a_single_hot_class(name: str) -> None:
    scores = torch.zeros(C, dtype=torch.double)
    scores[0] = math.log(C)
    # log-sum-exp less log C is log 2 there, the quadratic .005
    assert _gap(name, scores) == pytest.approx(math.log(2) - 0.005, abs=1e-3)


def test_rg2_is_no_bound_of_softmax() -> None:
    scores = torch.zeros(C, dtype=torch.double)
    scores[0] = math.log(C)
    assert _gap("rg2", scores) > 0
    assert _gap("rg2", torch.ones(C, dtype=torch.double)) < 0


def test_the_gap_of_rgx_is_of_third_order_and_that_of_rg2_of_second() -> None:
    scores = normal(6)
    for name, order in (("rgx", 3), ("rg2", 2)):
        gaps = [abs(_gap(name, scale * scores)) for scale in (0.01, 0.02)]
        assert math.log2(gaps[1] / gaps[0]) == pytest.approx(order, abs=0.1)
