"""Hierarchical softmax: the tree is a Huffman tree, its leaves sum to one, the beam is a beam."""

import heapq
import itertools
import time

import pytest
import torch

from advisor.card import StepShape
from advisor.catalogue import known_losses
from profiler.losses import build
from profiler.optimiser import optimisers
from tests.peak_memory import peak_bytes

D = 5
ZIPF = (1000 / torch.arange(1, 301)).long()[torch.randperm(300, generator=torch.manual_seed(0))]
WITH_UNSEEN = torch.tensor([0, 3, 0, 0, 7, 1, 1, 0])
FIBONACCI = torch.tensor([1, 1, 2, 3, 5, 8, 13, 21, 34, 55])
counts_of_all_kinds = pytest.mark.parametrize(
    "counts",
    [ZIPF, WITH_UNSEEN, FIBONACCI, torch.full((37,), 4), torch.zeros(9).long(), ZIPF[:2]],
    ids=["zipf", "unseen", "fibonacci", "equal", "none", "two"],
)


def _layer(counts: torch.Tensor, **settings):
    torch.manual_seed(0)
    layer = build("hierarchical_softmax", D, len(counts), class_counts=counts, **settings).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def _codes(layer) -> list[str]:
    """The path of every class from the root as letters, read from the leaf upwards."""
    rows, nodes, sign = layer._paths(torch.arange(layer.n_classes))
    codes = [""] * layer.n_classes
    for row, node, side in zip(rows.tolist(), nodes.tolist(), sign.tolist(), strict=True):
        codes[row] = f"{node}{'L' if side > 0 else 'R'}." + codes[row]
    return codes


def _depths(layer) -> torch.Tensor:
    return torch.tensor([code.count(".") for code in _codes(layer)])


def _least_total_depth(counts: torch.Tensor) -> int:
    """sum count x depth of an optimal tree: the sum of all joined counts (Huffman 1952)."""
    heap, total = counts.tolist(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    return total


@counts_of_all_kinds
def test_the_huffman_tree_has_the_least_mean_depth(counts: torch.Tensor) -> None:
    depths = _depths(_layer(counts, tree="huffman"))
    assert int((counts * depths).sum()) == _least_total_depth(counts)


@pytest.mark.parametrize("counts", [ZIPF, FIBONACCI, WITH_UNSEEN])
def test_its_mean_depth_is_within_one_bit_of_the_entropy(counts: torch.Tensor) -> None:
    p = counts / counts.sum()
    entropy = -torch.special.xlogy(p, p).sum() / torch.tensor(2.0).log()
    mean = (p * _depths(_layer(counts))).sum()
    assert entropy - 1e-5 <= mean < entropy + 1


@pytest.mark.parametrize("tree", ["huffman", "balanced"])
@counts_of_all_kinds
def test_a_tree_is_full_and_no_class_is_on_the_way_to_another(
    tree: str, counts: torch.Tensor
) -> None:
    layer = _layer(counts, tree=tree)
    codes = _codes(layer)
    assert (0.5 ** _depths(layer).double()).sum() == 1  # Kraft
    ordered = sorted(codes)
    assert all(not b.startswith(a) for a, b in itertools.pairwise(ordered))
    steps = {step for code in codes for step in code.split(".")[:-1]}
    assert len(steps) == 2 * (len(counts) - 1)  # both sides of every node lead somewhere
    assert all(code.startswith("0") for code in codes)  # the root is node 0


def test_the_more_frequent_class_is_never_deeper_and_equal_ones_keep_their_order() -> None:
    layer = _layer(ZIPF)
    by_count = ZIPF.argsort(descending=True, stable=True)
    assert (layer.class_vertex[by_count].diff() > 0).all()
    assert (_depths(layer)[by_count].diff() >= 0).all()


@pytest.mark.parametrize("n_classes", [2, 3, 4, 5, 8, 9, 100])
def test_a_balanced_tree_has_two_depths_at_most(n_classes: int) -> None:
    depths = _depths(_layer(torch.ones(n_classes), tree="balanced"))
    assert set(depths.tolist()) <= {n_classes.bit_length() - 1, (n_classes - 1).bit_length()}


def test_counts_choose_the_huffman_tree_and_no_counts_the_balanced_one() -> None:
    balanced = build("hierarchical_softmax", D, len(ZIPF))
    assert torch.equal(_layer(ZIPF).class_vertex, _layer(ZIPF, tree="huffman").class_vertex)
    assert torch.equal(balanced.class_vertex, _layer(ZIPF, tree="balanced").class_vertex)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tree": "huffman"}, "needs class_counts"),
        ({"tree": "binary"}, "'huffman', 'balanced'"),
        ({"class_counts": torch.ones(4)}, "each of the 3 classes"),
        ({"class_counts": torch.tensor([1, -1, 2])}, "count >= 0"),
        ({"class_counts": torch.tensor([1, torch.nan, 2])}, "count >= 0"),
    ],
)
def test_a_tree_that_cannot_be_built_is_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build("hierarchical_softmax", D, 3, **settings)


def test_a_huffman_tree_of_a_million_classes_takes_seconds() -> None:
    counts = 10_000_000 // torch.arange(1, 1_000_001)
    started = time.perf_counter()
    build("hierarchical_softmax", 1, 1_000_000, class_counts=counts)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("tree", ["huffman", "balanced"])
@counts_of_all_kinds
def test_scores_are_minus_the_loss_of_each_class(tree: str, counts: torch.Tensor) -> None:
    layer, hidden = _layer(counts, tree=tree), torch.randn(3, D, dtype=torch.double)
    for row, scores in zip(hidden, layer.scores(hidden), strict=True):
        losses = [layer(row[None], torch.tensor([c])) for c in range(len(counts))[:40]]
        torch.testing.assert_close(-scores[:40], torch.stack(losses))


def test_leaves_sum_to_one_at_node_scores_of_ten_thousand() -> None:
    layer, hidden = _layer(FIBONACCI).float(), torch.full((4, D), 1e4)
    total = layer.log_prob(hidden).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(4))


def test_scores_have_the_gradient_of_the_loss() -> None:
    layer, hidden = _layer(ZIPF), torch.randn(1, D, dtype=torch.double, requires_grad=True)
    (of_score,) = torch.autograd.grad(-layer.scores(hidden)[0, 17], hidden)
    (of_loss,) = torch.autograd.grad(layer(hidden, torch.tensor([17])), hidden)
    torch.testing.assert_close(of_score, of_loss)


def test_a_step_touches_only_the_nodes_on_the_paths() -> None:
    layer, target = _layer(ZIPF), torch.tensor([5, 5, 80])
    layer(torch.randn(3, D, dtype=torch.double), target).backward()
    on_paths = set(layer._paths(target)[1].tolist())
    before = [p.detach().clone() for p in layer.parameters()]
    for parameter in layer.parameters():
        assert parameter.grad.is_sparse
        assert set(parameter.grad.coalesce().indices()[0].tolist()) == on_paths
    for optimiser in optimisers([layer], 0.1, 0.1):
        optimiser.step()
    for old, new in zip(before, layer.parameters(), strict=True):
        assert set((old != new).any(1).nonzero()[:, 0].tolist()) == on_paths


def test_a_state_dict_brings_its_tree() -> None:
    saved, other = _layer(ZIPF), _layer(ZIPF.flip(0))
    hidden = torch.randn(2, D, dtype=torch.double)
    other.load_state_dict(saved.state_dict())
    assert torch.equal(other.scores(hidden), saved.scores(hidden))
    target = torch.tensor([3, 4])
    assert torch.equal(other(hidden, target), saved(hidden, target))


@pytest.mark.parametrize("tree", ["huffman", "balanced"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_beam_of_every_class_is_exact(tree: str, bias: bool) -> None:
    layer, hidden = _layer(ZIPF, tree=tree, bias=bias), torch.randn(6, D, dtype=torch.double)
    classes, log_prob = layer.beam(hidden, 10, len(ZIPF))
    wanted = layer.scores(hidden).topk(10)
    torch.testing.assert_close(log_prob, wanted.values)
    assert torch.equal(classes, wanted.indices)


def test_a_narrow_beam_tells_true_probabilities_and_a_wider_one_finds_better() -> None:
    layer, hidden = _layer(ZIPF), torch.randn(50, D, dtype=torch.double)
    scores, best = layer.scores(hidden), []
    for width in (1, 4, 64):
        classes, log_prob = layer.beam(hidden, 1, width)
        torch.testing.assert_close(scores.gather(1, classes), log_prob)
        best.append(log_prob.mean())
    assert best[0] < best[1] < best[2] <= scores.amax(1).mean() + 1e-9


@pytest.mark.parametrize(("k", "width"), [(0, 5), (6, 5), (301, 400)])
def test_a_beam_that_cannot_hold_k_classes_is_refused(k: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"k={k}, width={width}; allowed are"):
        _layer(ZIPF).beam(torch.zeros(1, D, dtype=torch.double), k, width)


def test_a_step_stays_within_the_bytes_of_its_card() -> None:
    shape = StepShape(batch_size=1024, n_classes=100_000, embedding_dim=16)
    promised = known_losses()["hierarchical_softmax"].step_bytes(shape, {})
    assert peak_bytes("hierarchical_softmax", shape) < 1.5 * promised
