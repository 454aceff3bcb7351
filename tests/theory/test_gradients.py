"""Bias and variance of the sampled gradients against softmax's: by enumeration of the draws."""

import math

import pytest
import torch

from advisor import sampling_error
from tests.theory.populations import Population, normal, probabilities, uniform

SCORES = torch.tensor([0.4, -0.6, 1.2, 0.3], dtype=torch.double)
OTHERS = torch.tensor([0.0, 0.3, 0.2, 0.5], dtype=torch.double)  # q over the classes j != y
TARGET = 0
MANY = (8, 16, 32, 64)
LAW = 1 + (16 * normal(200, seed=1).square()).long()  # counts, near Dirichlet(1/2)


def _exact(scores: torch.Tensor, target: int = TARGET) -> torch.Tensor:
    """Softmax's gradient in the scores."""
    found = torch.softmax(scores, -1)
    found[..., target] -= 1
    return found


def _moments(
    scores: torch.Tensor,
    q: torch.Tensor,
    n_negatives: int,
    loss: str = "sampled_softmax",
    **settings: str,
) -> tuple[torch.Tensor, float]:
    """Mean and total variance of the gradient of one example over its draws."""
    population = Population(loss, q, n_negatives=1, **settings)
    # More draws than classes is refused as a setting, but shows the slope exactly here
    population.layer.n_negatives = n_negatives
    population.set_scores(scores[None])
    mean, variance = population.gradient_moments(torch.tensor([TARGET]))
    return mean[0], float(variance)


def _slope(values: list[float]) -> float:
    """Of log values against log K, over the last doubling."""
    return math.log2(values[-1] / values[-2])


def test_bias_and_variance_fall_as_one_over_k_and_follow_the_card() -> None:
    pi = torch.softmax(SCORES, 0).tolist()
    biases, variances, bias_errors, variance_errors = [], [], [], []
    for k in MANY:
        mean, variance = _moments(SCORES, OTHERS, k, correction="importance")
        bias = mean - _exact(SCORES)
        formula = torch.tensor(
            sampling_error.gradient_bias(pi, OTHERS.tolist(), TARGET, k)
        ).double()
        biases.append(float(bias.norm()))
        variances.append(variance)
        bias_errors.append(float((formula - bias).norm() / bias.norm()))
        expected = sampling_error.gradient_variance(pi, OTHERS.tolist(), TARGET, k)
        variance_errors.append(abs(expected / variance - 1))
    assert _slope(biases) == pytest.approx(-1, abs=0.05)
    assert _slope(variances) == pytest.approx(-1, abs=0.1)
    for errors in (bias_errors, variance_errors):  # of the next order: they halve as K doubles
        assert errors[-1] < 0.06
        assert _slope(errors) == pytest.approx(-1, abs=0.15)


def test_hits_of_the_target_leave_fewer_draws_to_the_formulas() -> None:
    q = torch.tensor([0.25, 0.2, 0.25, 0.3], dtype=torch.double)
    pi = torch.softmax(SCORES, 0).tolist()
    mean, variance = _moments(SCORES, q, 24, correction="importance")
    formula = torch.tensor(sampling_error.gradient_bias(pi, q.tolist(), TARGET, 24)).double()
    bias = mean - _exact(SCORES)
    assert float((formula - bias).norm() / bias.norm()) < 0.15
    assert sampling_error.gradient_variance(pi, q.tolist(), TARGET, 24) == pytest.approx(
        variance, rel=0.15
    )


def test_the_sampled_loss_lies_below_softmax_by_the_bias_of_the_card() -> None:
    population = Population("sampled_softmax", OTHERS, n_negatives=1, correction="importance")
    population.set_scores(SCORES[None])
    population.layer.n_negatives = 32
    target = torch.tensor([TARGET])
    found = float(population.risk(population.hidden, target).detach())
    bias = found - float(SCORES.logsumexp(0) - SCORES[TARGET])
    pi = torch.softmax(SCORES, 0).tolist()
    assert bias < 0
    assert sampling_error.loss_bias(pi, OTHERS.tolist(), TARGET, 32) == pytest.approx(
        bias, rel=0.02
    )


@pytest.mark.parametrize("n_negatives", [1, 2, 5])
def test_the_softmax_proposal_has_no_bias(n_negatives: int) -> None:
    q = torch.softmax(SCORES, 0)
    q[TARGET] = 0
    q /= q.sum()
    mean, _ = _moments(SCORES, q, n_negatives, correction="importance")
    torch.testing.assert_close(mean, _exact(SCORES), rtol=0, atol=1e-8)  # its log k is float32
    spread = sampling_error.proposal_spread(torch.softmax(SCORES, 0).tolist(), q.tolist(), TARGET)
    assert spread == pytest.approx((1 - float(torch.softmax(SCORES, 0)[TARGET])) ** 2)


def test_200_classes_have_the_bias_and_the_variance_of_the_card() -> None:
    """By Monte Carlo, whose floor is sqrt(variance / draws)."""
    n_classes, k, n_draws = 200, 20, 4000
    scores = normal(n_classes)
    q = uniform(n_classes)
    q[TARGET] = 0
    q /= q.sum()
    population = Population("sampled_softmax", q, n_negatives=k, correction="importance")
    population.set_scores(scores[None])
    drawn = torch.multinomial(
        q, n_draws * k, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    found = torch.empty(n_draws, n_classes, dtype=torch.double)
    for each, ids in zip(found, drawn.view(n_draws, k).tolist(), strict=True):
        population.layer.proposal.drawn = tuple(ids)
        each.copy_(population.gradients(torch.tensor([TARGET]))[0])
    variance = float(found.var(0).sum())
    floor = math.sqrt(variance / n_draws)
    pi = torch.softmax(scores, 0).tolist()
    bias = torch.tensor(sampling_error.gradient_bias(pi, q.tolist(), TARGET, k)).double()
    distance = (found.mean(0) - _exact(scores) - bias).norm()
    assert float(bias.norm()) > 3 * floor
    assert float(distance) < 1.2 * floor + 0.2 * float(bias.norm())
    assert variance == pytest.approx(
        sampling_error.gradient_variance(pi, q.tolist(), TARGET, k), rel=0.15
    )


def test_sharper_scores_need_more_negatives() -> None:
    """V - (1 - pi_y)^2 over a hundredth: draws for a standard deviation of 10% of the sum."""
    n_classes = 20_000
    for deviation, expected in ((0.5, 28), (1.0, 180)):
        pi = torch.softmax(deviation * normal(n_classes), 0).tolist()
        spread = sampling_error.proposal_spread(pi, [1 / n_classes] * n_classes, TARGET)
        assert spread == pytest.approx(math.exp(deviation**2), rel=0.1)
        assert 100 * (spread - (1 - pi[TARGET]) ** 2) == pytest.approx(expected, rel=0.2)


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(one @ other / one.norm() / other.norm())


SAMPLED = ("sampled_softmax", "bpr", "negative_sampling", "nce")


def _start(loss: str, n_classes: int, k: int) -> float:
    """The equal scores that a loss starts at; sampled softmax and BPR take any constant."""
    return -math.log(n_classes if loss == "nce" else k)


@pytest.mark.parametrize("loss", SAMPLED)
def test_near_flat_scores_the_gradient_is_softmax_s_shrunk_to_k_over_k_plus_1(loss: str) -> None:
    for k in (1,) if loss == "bpr" else (1, 3, 8):
        mean, _ = _moments(0.01 * normal(5) + _start(loss, 5, k), uniform(5), k, loss)
        exact = _exact(0.01 * normal(5))
        assert _cosine(mean, exact) > 0.9999
        assert float(mean.norm() / exact.norm()) == pytest.approx(k / (k + 1), rel=0.02)


@pytest.mark.parametrize("loss", SAMPLED)
def test_near_flat_scores_the_variance_falls_with_k(loss: str) -> None:
    n_classes = 4
    for k in (1,) if loss == "bpr" else (1, 4, 16):
        flat = torch.full((n_classes,), _start(loss, n_classes, k), dtype=torch.double)
        _, variance = _moments(flat, uniform(n_classes), k, loss)
        assert variance == pytest.approx(k / (k + 1) ** 2 * (1 - 1 / n_classes))


@pytest.mark.parametrize(("k", "low", "high"), [(1, 0.7, 0.9), (10, 0.94, 0.98), (100, 0.98, 1)])
def test_at_scores_of_deviation_1_more_draws_turn_towards_softmax(
    k: int, low: float, high: float
) -> None:
    assert low < _cosine_of_batch("both", k, uniform(200)) < high


def test_without_log_q_no_number_of_draws_turns_to_softmax() -> None:
    q = LAW.double() ** 0.75
    q /= q.sum()
    assert _cosine_of_batch("none", 100, q) < 0.7
    assert _cosine_of_batch("both", 100, q) > 0.93


def _cosine_of_batch(correction: str, k: int, q: torch.Tensor) -> float:
    """Of the mean gradient over targets y ~ p and many draws to softmax's, 200 classes."""
    scores = normal(200, seed=2)
    population = Population("sampled_softmax", q, n_negatives=k, correction=correction)
    population.set_scores(scores[None])
    target = torch.repeat_interleave(torch.arange(200), LAW)
    hidden = torch.ones(len(target), 1, dtype=torch.double)
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(200, dtype=torch.double)
    for _ in range(100 + 2000 // k):
        ids = torch.multinomial(q, k, replacement=True, generator=generator)
        population.layer.proposal.drawn = tuple(ids.tolist())
        loss = population.layer(hidden, target)
        (found,) = torch.autograd.grad(loss, population.weight)
        total += found.to_dense()[:, 0]
    return _cosine(total, torch.softmax(scores, 0) - probabilities(LAW))
