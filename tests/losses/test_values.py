"""Every layer against its naive formula: value, gradients, several positives, extremes."""

import importlib

import pytest
import torch

from tests.loss_rows import ROWS, batch_of, make_layer, rows_of
from tests.loss_rows import row_ids as ids
from tests.references.row import Row

B, C, D = 300, 37, 5

all_rows = pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))
LINEAR_ROWS = rows_of("exact", "sampled")
linear_rows = pytest.mark.parametrize("row", LINEAR_ROWS, ids=ids(LINEAR_ROWS))
UNDRAWN_ROWS = rows_of("exact", "factorised")


def _batch(n_rows: int = B, n_classes: int = C) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    hidden = torch.randn(n_rows, D, generator=generator, dtype=torch.double)
    return hidden.requires_grad_(), torch.randint(n_classes, (n_rows,), generator=generator)


def _dense(gradients: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    return [g.to_dense() if g.is_sparse else g for g in gradients]


@all_rows
@pytest.mark.parametrize("std", [0.001, 0.5, 3.0])
def test_value_and_gradients_equal_the_reference_at_every_spread(row: Row, std: float) -> None:
    _assert_equals_the_reference(row, std, C)


@all_rows
def test_value_and_gradients_equal_the_reference(row: Row) -> None:
    _assert_equals_the_reference(row, 1.0, 2500)


def _assert_equals_the_reference(row: Row, std: float, n_classes: int) -> None:
    layer = make_layer(row, D, n_classes, std=std)
    hidden, target = _batch(n_classes=n_classes)
    inputs = (hidden, *layer.parameters())
    loss = layer(hidden, target)
    gradients = _dense(torch.autograd.grad(loss, inputs))
    expected = row.reference(batch_of(layer, row, hidden, target, n_classes)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-9)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-9)


CHUNKED = {"CHUNK_SCORES": 1, "BLOCK_ELEMENTS": 7 * D}  # 16 rows at a time; 7 classes a thread
CHUNKED_ROWS = tuple(
    row
    for row in ROWS
    if any(hasattr(importlib.import_module(f"profiler.losses.{row.loss}"), c) for c in CHUNKED)
)


@pytest.mark.parametrize("row", CHUNKED_ROWS, ids=ids(CHUNKED_ROWS))
def test_many_small_chunks_equal_the_reference(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"profiler.losses.{row.loss}")
    for constant, size in CHUNKED.items():
        if hasattr(module, constant):
            monkeypatch.setattr(module, constant, size)
    _assert_equals_the_reference(row, 1.0, C)


@linear_rows
def test_scores_are_the_linear_map_that_is_served(row: Row) -> None:
    layer = make_layer(row, D, C)
    hidden, target = _batch()
    expected = row.scores(batch_of(layer, row, hidden, target, C))
    torch.testing.assert_close(layer.scores(hidden), expected)


@all_rows
def test_without_bias_only_matrices_are_left(row: Row) -> None:
    layer = make_layer(row, D, C, bias=False)
    hidden, target = _batch()
    layer(hidden, target).backward()
    if row in LINEAR_ROWS:
        assert [p.shape for p in layer.parameters()] == [(C, D)]
    assert all(p.ndim == 2 and p.shape[1] > 1 for p in layer.parameters())
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("row", UNDRAWN_ROWS, ids=ids(UNDRAWN_ROWS))
def test_chunks_of_rows_add_up_to_the_whole(row: Row) -> None:
    layer = make_layer(row, D, C)
    hidden, target = _batch(600)
    whole = torch.autograd.grad(layer(hidden, target), list(layer.parameters()))
    parts = [layer(hidden[i : i + 50], target[i : i + 50]) / 12 for i in range(0, 600, 50)]
    in_parts = torch.autograd.grad(torch.stack(parts).sum(), list(layer.parameters()))
    for one, other in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(one, other)


@all_rows
@pytest.mark.parametrize("positives_weight", ["each", "mean"])
def test_several_positives_equal_the_weighted_single_ones(row: Row, positives_weight: str) -> None:
    hidden, _ = _batch(4)
    counts = torch.tensor([3, 1, 0, 2])
    indices = torch.tensor([5, 1, 8, 0, 9, 2])
    offsets = torch.cat((torch.zeros(1, dtype=torch.long), counts.cumsum(0)))
    rows = torch.repeat_interleave(torch.arange(4), counts)
    layer = make_layer(row, D, C, positives_weight=positives_weight)
    loss = layer(hidden, (indices, offsets))
    single = row.reference(batch_of(layer, row, hidden[rows], indices, C))
    weight = 1.0 / counts[rows] if positives_weight == "mean" else torch.ones(6)
    torch.testing.assert_close(loss, (weight * single).sum() / weight.sum())
    for got, wanted in zip(
        torch.autograd.grad(loss, hidden),
        torch.autograd.grad((weight * single).sum() / weight.sum(), hidden),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-9)


@all_rows
def test_float32_agrees_with_float64(row: Row) -> None:
    precise, single = make_layer(row, D, C), make_layer(row, D, C).float()
    hidden, target = _batch()
    rounded = hidden.detach().float().requires_grad_()
    losses = single(rounded, target), precise(hidden, target)
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=1e-5, atol=1e-6)
    found = _dense(torch.autograd.grad(losses[0], (rounded, *single.parameters())))
    wanted = _dense(torch.autograd.grad(losses[1], (hidden, *precise.parameters())))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 1e-4 * other.norm()


@all_rows
def test_bfloat16_agrees_with_float64_within_its_rounding(row: Row) -> None:
    coarse = make_layer(row, D, C).bfloat16()
    precise = make_layer(row, D, C)
    with torch.no_grad():
        for one, other in zip(precise.parameters(), coarse.parameters(), strict=True):
            one.copy_(other)
    hidden, target = _batch()
    rounded = hidden.detach().bfloat16().requires_grad_()
    exact = rounded.detach().double().requires_grad_()
    losses = coarse(rounded, target), precise(exact, target)
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=0.02, atol=0.02)
    found = _dense(torch.autograd.grad(losses[0], (rounded, *coarse.parameters())))
    wanted = _dense(torch.autograd.grad(losses[1], (exact, *precise.parameters())))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.bfloat16
        assert torch.cosine_similarity(one.double().view(-1), other.view(-1), 0) > 0.99


@all_rows
def test_scores_of_ten_thousand_stay_finite(row: Row) -> None:
    layer = make_layer(row, 1, C).float()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    hidden = torch.tensor([[1e4], [-1e4], [1e4]], requires_grad=True)
    loss = layer(hidden, torch.tensor([0, 0, C - 1]))
    inputs = (hidden, *layer.parameters())
    found = torch.autograd.grad(loss, inputs, allow_unused=True)  # adaptive: a cluster not visited
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in _dense(tuple(g for g in found if g is not None)))


@all_rows
def test_the_upstream_gradient_scales_every_gradient(row: Row) -> None:
    hidden, target = _batch()
    once, thrice = make_layer(row, D, C), make_layer(row, D, C)
    ones = _dense(torch.autograd.grad(once(hidden, target), (hidden, *once.parameters())))
    threes = _dense(torch.autograd.grad(3 * thrice(hidden, target), (hidden, *thrice.parameters())))
    for one, three in zip(ones, threes, strict=True):
        torch.testing.assert_close(3 * one, three)


@all_rows
def test_a_second_derivative_is_right_or_refused(row: Row) -> None:
    """Of hidden vectors that are not linear in the input, as an encoder's are not."""
    layer, inputs, target = make_layer(row, D, C), *_batch(20)
    batch = batch_of(layer, row, inputs.tanh(), target, C)
    wanted = _of_squared_gradient(row.reference(batch).mean(), inputs, layer)
    loss = layer(inputs.tanh(), target)
    try:
        found = _of_squared_gradient(loss, inputs, layer)
    except RuntimeError as error:
        if "first derivatives only; create_graph must be False" not in str(error):
            raise
        return
    for one, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-9)


def _of_squared_gradient(
    loss: torch.Tensor, inputs: torch.Tensor, layer: torch.nn.Module
) -> list[torch.Tensor]:
    """The gradients of the squared norm of the loss's gradient in the inputs."""
    (gradient,) = torch.autograd.grad(loss, inputs, create_graph=True)
    of = (inputs, *layer.parameters())
    return _dense(torch.autograd.grad(gradient.square().sum(), of, materialize_grads=True))


def test_a_row_whose_draws_all_hit_its_class_has_no_loss_under_importance() -> None:
    row = next(row for row in ROWS if row.settings.get("correction") == "importance")
    layer = make_layer(row, D, C)

    class Same(torch.nn.Module):
        def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
            return torch.full((n,), 3)

        def log_q(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.full(ids.shape, -1.0, dtype=torch.double)

    layer.proposal = Same()
    hidden, _ = _batch(2)
    alone = layer(hidden[:1], torch.tensor([3]))
    assert alone.item() == 0
    both = layer(hidden, torch.tensor([3, 4]))
    gradients = _dense(torch.autograd.grad(both, (hidden, *layer.parameters())))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert gradients[0][0].eq(0).all()
    assert gradients[0][1].ne(0).any()
