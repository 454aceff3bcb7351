"""Smoothness constants, the top of the Hessian's spectrum, and margins: what gradients do."""

import math
from typing import Any

import pytest
import torch

from tests.theory.populations import Population, normal, uniform

C = 6
# Loss and settings, the classes drawn, and the constant
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...], float]] = {
    "softmax": ("softmax", {}, (), 0.5),
    "softmax-temperature": ("softmax", {"temperature": 0.5}, (), 2.0),
    "softmax-smoothing": ("softmax", {"label_smoothing": 0.1}, (), 0.5),
    "sparsemax": ("sparsemax", {}, (), 1.0),
    "entmax": ("entmax", {"alpha": 1.5}, (), 2**-0.5),
    "entmax-1.25": ("entmax", {"alpha": 1.25}, (), 2**-0.75),
    "entmax-1.75": ("entmax", {"alpha": 1.75}, (), 2**-0.25),
    "rg2": ("rg2", {}, (), 1 / C),
    "rgx": ("rgx", {}, (), 1 / C),
    "sampled_softmax": ("sampled_softmax", {}, (1, 2, 3), 0.5),
    "sampled_softmax-hits": ("sampled_softmax", {}, (0, 1, 1), 0.5),
    "negative_sampling": ("negative_sampling", {}, (0, 1, 2), 0.5),
    "negative_sampling-twice": ("negative_sampling", {}, (0, 0, 1), 0.75),
    "negative_sampling-gbce": ("negative_sampling", {"calibration": 1.0}, (0, 1, 2), 0.4),
    "nce": ("nce", {}, (0, 1, 2), 0.5),
    "nce-twice": ("nce", {}, (0, 0, 1), 0.75),
    "bpr": ("bpr", {}, (1,), 0.5),
}
# Sums of logistic losses: the curvature is that of one class, largest at an even chance
LOGISTIC = {"negative_sampling": 0.0, "nce": math.log(3 / C)}
MARGINS: dict[str, tuple[float, dict[str, Any]]] = {
    "sparsemax": (1.0, {}),
    "rankmax": (1.0, {}),
    "entmax": (2.0, {"alpha": 1.5}),
    "entmax-1.25": (4.0, {"alpha": 1.25}),
}


def _population(name: str, n_points: int) -> Population:
    loss, settings, drawn, _ = CASES[name]
    if drawn:
        settings = {**settings, "n_negatives": len(drawn)}
    population = Population(loss, uniform(C), n_points, **settings)
    if drawn:
        population.layer.proposal.drawn = drawn
    return population


def _gradients(name: str, scores: torch.Tensor) -> torch.Tensor:
    """[points, C] at scores[points, C], the target class 0."""
    population = _population(name, len(scores))
    population.set_scores(scores)
    return population.gradients(torch.zeros(len(scores), dtype=torch.long))


def _points(name: str, n: int) -> torch.Tensor:
    """Scores of many spreads; every second one has two classes alone with equal chances."""
    loss = CASES[name][0]
    scores = normal(n, C) * 10.0 ** torch.arange(-1, 2).repeat(n)[:n, None]
    scores[1::2] = torch.tensor([0.0, 0.0, *[-30.0] * (C - 2)], dtype=torch.double)
    if loss in LOGISTIC:
        scores[1::2] = LOGISTIC[loss]
    return scores


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_as_smooth_as_the_card_says(name: str) -> None:
    constant = CASES[name][-1]
    scores = _points(name, 600)
    moves = normal(600, C, seed=1) * 10.0 ** -torch.arange(4).repeat(150)[:, None]
    moves[1::2] = moves[1::2, :1] * torch.tensor([0.5, -0.5, *[0.0] * (C - 2)])
    if CASES[name][0] in LOGISTIC:
        moves[1::2, 1] = 0
    difference = _gradients(name, scores + moves) - _gradients(name, scores)
    largest = float((difference.norm(dim=1) / moves.norm(dim=1)).max())
    assert 0.95 * constant <= largest <= constant * (1 + 1e-6)


@pytest.mark.parametrize("name", CASES)
def test_no_eigenvalue_of_the_hessian_is_above_the_constant(name: str) -> None:
    eigenvalues = _eigenvalues(name)
    assert eigenvalues.min() > -1e-6  # convex
    assert float(eigenvalues.max()) == pytest.approx(CASES[name][-1], rel=1e-3)


def test_the_hessian_of_rg2_is_the_identity_over_c() -> None:
    eigenvalues = _eigenvalues("rg2")
    torch.testing.assert_close(eigenvalues, torch.full_like(eigenvalues, 1 / C))


def test_the_hessian_of_rgx_is_that_of_rg2_but_for_shifts() -> None:
    eigenvalues = _eigenvalues("rgx")
    expected = torch.full_like(eigenvalues, 1 / C)
    expected[:, 0] = 0
    torch.testing.assert_close(eigenvalues, expected, rtol=0, atol=1e-8)


def _eigenvalues(name: str) -> torch.Tensor:
    """[points, C]: of the Hessian in the scores, by central differences of the gradient."""
    scores, step = _points(name, 60), 1e-5
    steps = step * torch.eye(C, dtype=torch.double)
    at = torch.stack((scores[:, None] + steps, scores[:, None] - steps))
    above, below = _gradients(name, at.view(-1, C)).view(2, len(scores), C, C)
    return torch.linalg.eigvalsh((above - below) / (2 * step))


@pytest.mark.parametrize("name", MARGINS)
def test_the_loss_stops_at_the_margin_of_the_card(name: str) -> None:
    margin, settings = MARGINS[name]
    for lead, is_zero in ((margin + 1e-9, True), (0.9 * margin, False)):
        population = Population(name.split("-")[0], uniform(4), **settings)
        scores = torch.tensor([[lead, 0.0, -0.2, 0.0]], dtype=torch.double)
        population.set_scores(scores)
        target = torch.tensor([0])
        loss = float(population.layer(population.hidden, target).detach())
        assert (abs(loss) < 1e-9) == is_zero
        assert (float(population.gradients(target).abs().max()) < 1e-9) == is_zero


def test_softmax_has_a_gradient_at_any_lead_and_a_curvature_that_falls_to_0() -> None:
    leads = torch.tensor([2.0, 5.0, 10.0, 20.0], dtype=torch.double)
    scores = torch.zeros(4, C, dtype=torch.double)
    scores[:, 0] = leads
    missing = 1 - torch.softmax(scores, 1)[:, 0]
    torch.testing.assert_close(-_gradients("softmax", scores)[:, 0], missing)
    assert (missing > 0).all()
    assert missing[-1] < 1e-7
