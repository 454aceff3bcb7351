"""Hierarchical softmax: what its leaves sum to, its tree costs, and what a beam search misses.

The tree is read from the gradients: at node logits of 0 a class moves the nodes on its path, each
towards its branch.
"""

import math

import pytest
import torch
from torch import nn

from profiler.losses import build
from tests.theory.populations import normal, probabilities, random_counts

TREES = ("balanced", "huffman")


def _layer(
    tree: str, n_classes: int, *, n_laws: int = 1, counts: torch.Tensor | None = None
) -> nn.Module:
    """Its node weights are node logits[nodes, laws] for rows of the identity."""
    if counts is None:
        counts = torch.arange(1, n_classes + 1)
    settings = {"tree": tree, "class_counts": counts, "bias": False}
    return build("hierarchical_softmax", n_laws, n_classes, **settings).double()


def _set_logits(layer: nn.Module, logits: torch.Tensor) -> None:
    """logits[laws, nodes]."""
    (weight,) = layer.parameters()
    with torch.no_grad():
        weight.copy_(logits.t())


def _node_gradients(layer: nn.Module, logits: torch.Tensor, target: int) -> torch.Tensor:
    """[nodes] at logits[nodes]."""
    (weight,) = layer.parameters()
    _set_logits(layer, logits[None])
    loss = layer(torch.ones(1, 1, dtype=torch.double), torch.tensor([target]))
    (found,) = torch.autograd.grad(loss, weight)
    return (found.to_dense() if found.is_sparse else found)[:, 0]


def _branches(tree: str, n_classes: int, counts: torch.Tensor | None = None) -> torch.Tensor:
    """[C, nodes]: 1 or -1 where a node is on a class's path, by its branch, else 0."""
    layer = _layer(tree, n_classes, counts=counts)
    flat = torch.zeros(n_classes - 1, dtype=torch.double)
    found = [_node_gradients(layer, flat, y) for y in range(n_classes)]
    return -torch.stack(found).sign()


def _logits(p: torch.Tensor, branches: torch.Tensor) -> torch.Tensor:
    """[laws, nodes]: the log-odds of the two branches of each node under p[laws, C]."""
    sides = [(p @ (branches == side).double()).clamp_min(1e-300).log() for side in (1, -1)]
    return sides[0] - sides[1]


@pytest.mark.parametrize("tree", TREES)
def test_the_leaves_sum_to_1(tree: str) -> None:
    layer = _layer(tree, 37, n_laws=4)
    _set_logits(layer, 3 * normal(4, 36))
    total = layer.log_prob(normal(20, 4)).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("tree", TREES)
def test_free_node_logits_reach_any_law(tree: str) -> None:
    p = probabilities(random_counts(20, 11))
    layer = _layer(tree, 11, n_laws=20)
    _set_logits(layer, _logits(p, _branches(tree, 11)))
    found = layer.log_prob(torch.eye(20, dtype=torch.double)).exp()
    torch.testing.assert_close(found, p)


@pytest.mark.parametrize("tree", TREES)
def test_only_the_nodes_of_the_path_move_each_as_smooth_as_a_logistic_loss(tree: str) -> None:
    layer, depths = _layer(tree, 8), _branches(tree, 8).abs().sum(1).tolist()
    largest = 0.0
    for seed in range(100):
        logits, target = normal(7, seed=seed) * (seed % 4), seed % 8
        move = 0.01 * normal(7, seed=1000 + seed)
        before = _node_gradients(layer, logits, target)
        after = _node_gradients(layer, logits + move, target)
        assert int((before != 0).sum()) == depths[target]
        assert float(before.norm()) <= math.sqrt(depths[target])
        largest = max(largest, float(((after - before).abs() / move.abs()).max()))
    assert 0.24 < largest <= 0.25 + 1e-9


def test_a_huffman_tree_is_within_a_bit_of_the_entropy_and_a_balanced_one_log2_c_deep() -> None:
    p = 1 / torch.arange(1, 1001).double()
    p /= p.sum()
    counts = (p * 1e7).round().long()
    entropy = float(-(p * p.log2()).sum())
    depths = {}
    for tree in TREES:
        n_nodes = _branches(tree, 1000, counts).abs().sum(1)
        depths[tree] = float(p @ n_nodes)
    assert entropy <= depths["huffman"] <= entropy + 1
    assert depths["huffman"] == pytest.approx(7.5, abs=0.1)
    assert 9 <= depths["balanced"] <= 10


def test_a_narrow_beam_misses_the_likeliest_class_and_a_wider_one_less_often() -> None:
    """16 classes, Dirichlet(1/2), the exact chances of the nodes."""
    n_laws, n_batches, branches = 100, 20, _branches("balanced", 16)
    hidden = torch.eye(n_laws, dtype=torch.double)
    errors, overlaps = dict.fromkeys((1, 2, 4), 0.0), dict.fromkeys((4, 6, 8), 0.0)
    for seed in range(n_batches):
        p = normal(n_laws, 16, seed=seed).square()  # Gamma(1/2) variates but for their scale
        layer = _layer("balanced", 16, n_laws=n_laws)
        _set_logits(layer, _logits(p / p.sum(1, keepdim=True), branches))
        full = layer.log_prob(hidden).topk(4).indices
        for width in errors:
            found = layer.beam(hidden, 1, width)[0]
            errors[width] += float((found != full[:, :1]).double().mean()) / n_batches
        for width in overlaps:
            found = layer.beam(hidden, 4, width)[0]
            both = (found[:, :, None] == full[:, None]).any(2)
            overlaps[width] += float(both.double().mean()) / n_batches
    assert errors[1] == pytest.approx(0.27, abs=0.03)
    assert errors[2] == pytest.approx(0.05, abs=0.015)
    assert errors[4] < 0.005
    assert overlaps[4] < 0.97
    assert overlaps[4] < overlaps[6] < overlaps[8] == pytest.approx(1)  # 8: every pair of leaves
