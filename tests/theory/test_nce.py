"""NCE: where its gradient is softmax's, and how its sum of exp(score) comes to 1."""

import pytest
import torch

from profiler.losses import build
from profiler.optimiser import optimisers
from tests.theory.populations import (
    Population,
    batch,
    normal,
    probabilities,
    random_counts,
    random_q,
)

N_CLASSES, N_FEATURES = 50, 8


def _mean_gradient(k: int, scores: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    population = Population("nce", random_q(0, len(scores)), n_negatives=1)
    population.layer.n_negatives = k
    population.set_scores(scores[None])
    (found,) = torch.autograd.grad(population.risk(*batch(counts)), population.weight)
    return found.to_dense()[:, 0]


@pytest.mark.parametrize("k", [1, 3, 12])
def test_the_mean_gradient_is_that_of_the_card(k: int) -> None:
    counts, scores, q = random_counts(1, 4), normal(4), random_q(0, 4)
    expected = k * q * (scores.exp() - probabilities(counts)[0]) / (scores.exp() + k * q)
    torch.testing.assert_close(_mean_gradient(k, scores, counts), expected)


def test_it_nears_softmax_s_gradient_only_where_the_scores_are_normalised() -> None:
    counts = random_counts(1, 4)
    distances = {}
    for log_z in (0.0, 1.0):
        scores = normal(4).log_softmax(0) + log_z
        exact = scores.softmax(0) - probabilities(counts)[0]
        distances[log_z] = [
            float((_mean_gradient(k, scores, counts) - exact).norm() / exact.norm())
            for k in (4, 16)
        ]
    assert distances[0.0][1] < 0.4 * distances[0.0][0]
    assert distances[1.0][1] > 0.5


def _task() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden rows, one target of each by a softmax law, and the counts of the targets."""
    hidden = normal(4000, N_FEATURES)
    zipf = -torch.arange(1, N_CLASSES + 1).double().log()
    law = (0.3 * hidden @ normal(N_FEATURES, N_CLASSES, seed=1) + zipf).softmax(1)
    target = torch.multinomial(law, 1, generator=torch.Generator().manual_seed(0))[:, 0]
    return hidden.float(), target, torch.bincount(target, minlength=N_CLASSES)


def _log_z(start: str, n_steps: int) -> tuple[float, float]:
    """Mean and standard deviation of log Z on held-out rows after some steps."""
    torch.manual_seed(0)
    hidden, target, counts = _task()
    generator = torch.Generator().manual_seed(0)
    layer = build(
        "nce",
        N_FEATURES,
        N_CLASSES,
        class_counts=counts,
        generator=generator,
        n_negatives=20,
        proposal="popularity",
    )
    if start == "zero":
        torch.nn.init.zeros_(layer.bias_rows.weight)
    stepping = optimisers([layer], 0.02, 0.0)
    for _ in range(n_steps):
        rows = torch.randint(3000, (64,), generator=generator)
        layer.zero_grad()
        layer(hidden[rows], target[rows]).backward()
        for optimiser in stepping:
            optimiser.step()
    log_z = layer.scores(hidden[3000:]).detach().logsumexp(1)
    return float(log_z.mean()), float(log_z.std())


def test_biases_of_log_q_start_with_log_z_near_0_and_biases_of_0_at_log_c() -> None:
    assert _log_z("log_q", 0) == pytest.approx((0, 0), abs=0.05)
    mean, _ = _log_z("zero", 0)
    assert mean == pytest.approx(float(torch.tensor(N_CLASSES).log()), abs=0.05)


def test_training_keeps_log_z_near_0_and_from_biases_of_0_it_falls_slowly() -> None:
    mean, deviation = _log_z("log_q", 600)
    assert abs(mean) < 0.15
    assert deviation < 0.25
    mean, _ = _log_z("zero", 600)
    assert mean > 0.5
