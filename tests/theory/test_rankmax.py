"""Rankmax: its risk is least at scores of whole steps, where classes of different p can tie."""

import itertools
import math

import torch

from tests.theory.populations import Population, normal, uniform


def _levels(n_classes: int) -> torch.Tensor:
    """[candidates, C]: all scores of whole steps from 0 up, no step left out.

    Between the kinks s_j = s_y - 1 the risk is concave: it is least where kinks pin every score.
    """
    every = itertools.product(range(n_classes), repeat=n_classes)
    return torch.tensor([s for s in every if set(s) == set(range(max(s) + 1))]).double()


def _losses(scores: torch.Tensor) -> torch.Tensor:
    """[candidates, C]: of each target at scores[candidates, C]."""
    n_candidates, n_classes = scores.shape
    population = Population("rankmax", uniform(n_classes), n_candidates)
    population.set_scores(scores)
    found = torch.empty(n_candidates, n_classes, dtype=torch.double)
    with torch.no_grad():
        for each, y in itertools.product(range(n_candidates), range(n_classes)):
            hidden = population.hidden[each : each + 1]
            found[each, y] = population.layer(hidden, torch.tensor([y]))
    return found


def _optima(p: torch.Tensor) -> torch.Tensor:
    """scores[laws, C] of least risk for p[laws, C]."""
    levels = _levels(p.shape[1])
    return levels[(p @ _losses(levels).t()).argmin(1)]


def _laws(n_laws: int, n_classes: int) -> torch.Tensor:
    return normal(n_laws, n_classes).softmax(1)


def test_classes_of_different_p_tie_in_the_optimum() -> None:
    p = torch.tensor([[0.41, 0.30, 0.29]], dtype=torch.double)
    assert _optima(p).tolist() == [[1, 0, 0]]


def test_the_optimum_puts_the_likeliest_class_first_and_orders_weakly() -> None:
    shares = []
    for n_classes in (3, 4, 5):
        p = _laws(200, n_classes)
        found = _optima(p)
        first = p.argmax(1, keepdim=True)
        others = found.scatter(1, first, -math.inf).amax(1)
        assert (found.gather(1, first)[:, 0] > others).all()
        greater = p[:, :, None] > p[:, None, :]
        assert not (greater & (found[:, :, None] < found[:, None, :])).any()
        strict = ~(greater & (found[:, :, None] <= found[:, None, :])).flatten(1).any(1)
        shares.append(float(strict.double().mean()))
    assert 0.8 > shares[0] > shares[1] > shares[2]


def test_no_scores_nearby_have_less_risk_than_the_whole_steps() -> None:
    p = _laws(1, 4)
    best = _optima(p)
    scale = 10.0 ** torch.linspace(-2, 0.5, 200)[:, None]
    around = best + scale * normal(200, 4, seed=1)
    least = p @ _losses(best)[0]
    assert (_losses(around) @ p[0] > least - 1e-12).all()


def test_the_gradient_jumps_where_a_class_enters_the_margin() -> None:
    before, after = torch.tensor([0.0, -1.0 - 1e-6, -5.0]), torch.tensor([0.0, -1.0 + 1e-6, -5.0])
    population = Population("rankmax", uniform(3), 2)
    population.set_scores(torch.stack((before, after)))
    gradients = population.gradients(torch.tensor([0, 0]))
    assert float((gradients[1] - gradients[0]).norm()) > 1  # over a move of 2e-6
