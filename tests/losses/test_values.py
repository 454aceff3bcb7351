"""Every layer against its naive formula: value, gradients, several positives, extremes."""

import pytest
import torch

from tests.loss_rows import EXACT_ROWS, ROWS, Row, class_parameters, log_q, make_layer, redraw
from tests.loss_rows import row_ids as ids

B, C, D = 300, 37, 5

all_rows = pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))


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
    inputs = (hidden, *class_parameters(layer))
    loss = layer(hidden, target)
    gradients = _dense(torch.autograd.grad(loss, inputs))
    drawn = redraw(layer, row, B)
    scores = hidden @ inputs[1].t() + inputs[2].view(-1)
    expected = row.reference(scores, target, drawn, log_q(layer, row, n_classes)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-9)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-9)


@all_rows
def test_scores_are_the_linear_map_that_is_served(row: Row) -> None:
    layer = make_layer(row, D, C)
    hidden, _ = _batch()
    weight, bias = class_parameters(layer)
    torch.testing.assert_close(layer.scores(hidden), hidden @ weight.t() + bias.view(-1))


@all_rows
def test_without_bias_only_the_weights_are_left(row: Row) -> None:
    layer = make_layer(row, D, C, bias=False)
    hidden, target = _batch()
    layer(hidden, target).backward()
    assert [p.shape for p in layer.parameters()] == [(C, D)]
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("row", EXACT_ROWS, ids=ids(EXACT_ROWS))
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
    drawn = redraw(layer, row, 6)
    scores = layer.scores(hidden)[rows]
    single = row.reference(scores, indices, drawn, log_q(layer, row, C))
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
    torch.testing.assert_close(
        single(hidden.float(), target).double(), precise(hidden, target), rtol=1e-5, atol=1e-6
    )


@all_rows
def test_scores_of_ten_thousand_stay_finite(row: Row) -> None:
    layer = make_layer(row, 1, C).float()
    weight, bias = class_parameters(layer)
    with torch.no_grad():
        weight.copy_(torch.linspace(-1e4, 1e4, C)[:, None])
        bias.zero_()
    hidden = torch.tensor([[1.0], [-1.0], [1.0]], requires_grad=True)
    loss = layer(hidden, torch.tensor([0, 0, C - 1]))
    gradients = torch.autograd.grad(loss, (hidden, weight, bias))
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in _dense(gradients))


@all_rows
def test_the_upstream_gradient_scales_every_gradient(row: Row) -> None:
    hidden, target = _batch()
    once, thrice = make_layer(row, D, C), make_layer(row, D, C)
    ones = _dense(torch.autograd.grad(once(hidden, target), (hidden, *once.parameters())))
    threes = _dense(torch.autograd.grad(3 * thrice(hidden, target), (hidden, *thrice.parameters())))
    for one, three in zip(ones, threes, strict=True):
        torch.testing.assert_close(3 * one, three)


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
    gradients = _dense(torch.autograd.grad(both, (hidden, *class_parameters(layer))))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert gradients[0][0].eq(0).all()
    assert gradients[0][1].ne(0).any()
