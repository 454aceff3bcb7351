"""Adaptive softmax: normalised in two levels, free logits reach any law, tails have few ranks."""

import pytest
import torch
from torch import nn

from profiler.losses import build
from tests.theory.populations import batch, normal, probabilities, random_counts

C, D = 12, 16
CUTOFFS = (3, 7)  # the head, a cluster of 4 classes in 4 dimensions, one of 5 in 1
COUNTS = torch.arange(C, 0, -1)


def _layer(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    layer = build("adaptive_softmax", D, C, cutoffs=CUTOFFS, class_counts=COUNTS, **settings)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer.double()


def test_the_probabilities_sum_to_1() -> None:
    total = _layer().log_prob(normal(20, D)).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("seed", range(3))
def test_free_logits_reach_any_law_and_its_order(seed: int) -> None:
    """One row, so that every level's logits are free; near ties are among the laws."""
    counts = random_counts(4, C, seed=seed)[seed : seed + 1]
    layer = _layer()
    target = batch(counts)[1]
    row = normal(1, D, seed=seed)
    optimiser = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=2000,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        layer.zero_grad()
        loss = layer(row.expand(len(target), -1), target)
        loss.backward()
        return loss

    optimiser.step(closure)
    found = layer.log_prob(row).detach()[0]
    p = probabilities(counts)[0]
    torch.testing.assert_close(found, p.log(), rtol=0, atol=1e-5)
    greater = p[:, None] > p[None, :]
    assert (found[:, None] > found[None, :])[greater].all()


def test_the_log_odds_inside_a_tail_cluster_have_the_rank_of_its_projection() -> None:
    found = _layer().log_prob(normal(100, D)).detach()
    ranks = []
    for first, end in ((0, 3), (3, 7), (7, 12)):
        odds = found[:, first + 1 : end] - found[:, first : first + 1]
        ranks.append(int(torch.linalg.matrix_rank(odds, atol=1e-8)))
    assert ranks == [2, 3, 1]  # the last has 4 odds in 1 dimension: its order is one of two


def test_each_level_is_as_smooth_as_softmax() -> None:
    """The gradient in the head's logits, and in those of a cluster: constant 1/2."""
    layer = _layer(bias=False)
    hidden = torch.zeros(1, D, dtype=torch.double)
    hidden[0, 0] = 1
    head, (down, last) = layer.adaptive.head, layer.adaptive.tail[1]
    with torch.no_grad():
        down.weight.zero_()
        down.weight[0, 0] = 1  # the cluster sees a row of length 1 too
    for target, weight in ((0, head.weight), (9, head.weight), (9, last.weight)):
        largest = 0.0
        for trial in range(200):
            scores, move = normal(2, len(weight), seed=trial)
            if trial % 2:  # two logits alone, moved against each other
                scores[2:], move[2:] = -30, 0
                scores[:2], move[1] = 0, -move[0]
            scores, move = scores * 10.0 ** (trial % 4 // 2), 0.01 * move
            found = []
            for s in (scores, scores + move):
                with torch.no_grad():
                    weight[:, 0] = s
                loss = layer(hidden, torch.tensor([target]))
                found.append(torch.autograd.grad(loss, weight)[0][:, 0])
            largest = max(largest, float((found[1] - found[0]).norm() / move.norm()))
        assert 0.48 < largest <= 0.5 + 1e-9
