"""Regret transfer: what the excess risk says of the probabilities and of DCG."""

from collections.abc import Callable

import pytest
import torch

from tests.theory.populations import (
    Population,
    centred,
    normal,
    probabilities,
    random_counts,
    uniform,
)

C, K, N_LAWS = 12, 5, 60
DISCOUNT = 1 / torch.log2(torch.arange(2, K + 2).double())
Map = Callable[[Population], torch.Tensor]


def _log_prob(population: Population) -> torch.Tensor:
    return population.layer.log_prob(population.hidden).detach().exp()


def _affine(population: Population) -> torch.Tensor:
    return (1 + population.layer.scores(population.hidden).detach()) / C


def _affine_of_centred(population: Population) -> torch.Tensor:
    return (1 + centred(population.layer.scores(population.hidden).detach())) / C


# The scores of least risk at p, and the map from scores to an estimate of p
FENCHEL_YOUNG: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Map]] = {
    "softmax": (lambda p: p.log(), _log_prob),
    "sparsemax": (lambda p: p, _log_prob),
    "entmax": (lambda p: 2 * p.sqrt(), _log_prob),
}
QUADRATIC: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Map]] = {
    "rg2": (lambda p: C * p - 1, _affine),
    "rgx": (lambda p: C * p, _affine_of_centred),
}
BOTH = {**FENCHEL_YOUNG, **QUADRATIC}


def _case(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Excess risks[laws], p and its estimate[laws, C], and scores[laws, C], at random scores
    near the best ones and far from them."""
    form, estimate = BOTH[name]
    counts = random_counts(N_LAWS, C)
    p = probabilities(counts)
    noise = 10.0 ** torch.linspace(-2, 0.5, N_LAWS)[:, None]
    scores = form(p) + noise * form(p).std(1, keepdim=True) * normal(N_LAWS, C)
    population = Population(name, uniform(C), N_LAWS)
    population.set_scores(form(p))
    least = population.risks(counts)
    population.set_scores(scores)
    return population.risks(counts) - least, p, estimate(population), scores


def _dcg(p: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    ranked = p.gather(1, scores.argsort(dim=1, descending=True)[:, :K])
    return (ranked * DISCOUNT).sum(1)


@pytest.mark.parametrize("name", FENCHEL_YOUNG)
def test_excess_risk_bounds_the_distance_of_the_probabilities(name: str) -> None:
    excess, p, estimate, _ = _case(name)
    norm = 1 if name == "softmax" else 2  # Pinsker; strong convexity of the regulariser in l2
    assert (excess >= 0.5 * (estimate - p).norm(norm, dim=1).square() - 1e-12).all()


@pytest.mark.parametrize("name", QUADRATIC)
def test_excess_risk_is_the_squared_distance(name: str) -> None:
    excess, p, estimate, _ = _case(name)
    torch.testing.assert_close(excess, C / 2 * (estimate - p).square().sum(1))


@pytest.mark.parametrize("name", BOTH)
def test_dcg_regret_is_bounded_by_the_excess_risk(name: str) -> None:
    excess, p, estimate, scores = _case(name)
    regret = _dcg(p, p) - _dcg(p, scores)
    by_estimate = 2 * DISCOUNT.norm() * (estimate - p).norm(dim=1)
    per_distance = 2 / C if name in QUADRATIC else 2.0
    by_risk = 2 * DISCOUNT.norm() * (per_distance * excess.clamp_min(0)).sqrt()
    assert (regret <= by_estimate + 1e-12).all()
    assert (by_estimate <= by_risk + 1e-9).all()
    assert (regret > 0).sum() > N_LAWS / 3
