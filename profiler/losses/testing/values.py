"""A layer against its naive formula: value, gradients, several positives, dtypes, extremes."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from profiler.losses.testing.layers import batch_of, make_layer
from profiler.losses.testing.row import Row

B, C, D = 300, 37, 5
SPREADS = (0.001, 0.5, 3.0)
# What a layer's file may name to work in blocks, and blocks of a few rows or classes
CHUNKED = {"CHUNK_SCORES": 1, "BLOCK_ELEMENTS": 7 * D}


def value_and_gradients_equal_the_reference(row: Row) -> None:
    """At thousands of classes."""
    assert_equals_the_reference(row, 1.0, 2500)


def value_and_gradients_equal_the_reference_at_every_spread(row: Row) -> None:
    """Of the weights: where losses are flat and where they are steep."""
    for std in SPREADS:
        assert_equals_the_reference(row, std, C)


def many_small_chunks_equal_the_reference(row: Row) -> None:
    """The same with blocks of a few rows or classes; nothing to do where there are no blocks."""
    with small_chunks(row):
        assert_equals_the_reference(row, 1.0, C)


def chunks_of_rows_add_up_to_the_whole(row: Row) -> None:
    """The loss of a batch is the mean over its parts."""
    layer = make_layer(row, D, C)
    hidden, target = random_batch(600)
    whole = torch.autograd.grad(layer(hidden, target), list(layer.parameters()))
    parts = [layer(hidden[i : i + 50], target[i : i + 50]) / 12 for i in range(0, 600, 50)]
    in_parts = torch.autograd.grad(torch.stack(parts).sum(), list(layer.parameters()))
    for one, other in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(one, other)


def scores_are_the_linear_map_that_is_served(row: Row) -> None:
    """What `scores` gives is what an inner-product search would rank by."""
    layer = make_layer(row, D, C)
    hidden, target = random_batch()
    expected = row.scores(batch_of(layer, row, hidden, target, C))
    torch.testing.assert_close(layer.scores(hidden), expected)


def several_positives_equal_the_weighted_single_ones(row: Row) -> None:
    """A CSR pair counts each positive once ("each") or as 1/|r| ("mean")."""
    hidden, _ = random_batch(4)
    counts = torch.tensor([3, 1, 0, 2])
    indices = torch.tensor([5, 1, 8, 0, 9, 2])
    offsets = torch.cat((torch.zeros(1, dtype=torch.long), counts.cumsum(0)))
    rows = torch.repeat_interleave(torch.arange(4), counts)
    for positives_weight in ("each", "mean"):
        layer = make_layer(row, D, C, positives_weight=positives_weight)
        loss = layer(hidden, (indices, offsets))
        single = row.reference(batch_of(layer, row, hidden[rows], indices, C))
        weight = 1.0 / counts[rows] if positives_weight == "mean" else torch.ones(6)
        expected = (weight * single).sum() / weight.sum()
        torch.testing.assert_close(loss, expected)
        gradients = (torch.autograd.grad(found, hidden) for found in (loss, expected))
        for got, wanted in zip(*gradients, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-9)


def float32_agrees_with_float64(row: Row) -> None:
    """Value to 1e-5, gradients to 1e-4 of their norm."""
    precise, single = make_layer(row, D, C), make_layer(row, D, C).float()
    hidden, target = random_batch()
    rounded = hidden.detach().float().requires_grad_()
    losses = single(rounded, target), precise(hidden, target)
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=1e-5, atol=1e-6)
    found = dense(torch.autograd.grad(losses[0], (rounded, *single.parameters())))
    wanted = dense(torch.autograd.grad(losses[1], (hidden, *precise.parameters())))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32, f"a gradient is {one.dtype}"
        assert (one - other).norm() < 1e-4 * other.norm(), "a gradient is off by more than 1e-4"


def bfloat16_agrees_with_float64_within_its_rounding(row: Row) -> None:
    """Value to 2%, gradients to a cosine of 0.99."""
    coarse, precise = make_layer(row, D, C).bfloat16(), make_layer(row, D, C)
    with torch.no_grad():
        for one, other in zip(precise.parameters(), coarse.parameters(), strict=True):
            one.copy_(other)
    hidden, target = random_batch()
    rounded = hidden.detach().bfloat16().requires_grad_()
    exact = rounded.detach().double().requires_grad_()
    losses = coarse(rounded, target), precise(exact, target)
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=0.02, atol=0.02)
    found = dense(torch.autograd.grad(losses[0], (rounded, *coarse.parameters())))
    wanted = dense(torch.autograd.grad(losses[1], (exact, *precise.parameters())))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.bfloat16, f"a gradient is {one.dtype}"
        cosine = torch.cosine_similarity(one.double().view(-1), other.view(-1), 0)
        assert cosine > 0.99, f"a gradient has cosine {cosine:.3f} to that in float64"


def scores_of_ten_thousand_stay_finite(row: Row) -> None:
    """In float32, loss and gradients."""
    layer = make_layer(row, 1, C).float()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    hidden = torch.tensor([[1e4], [-1e4], [1e4]], requires_grad=True)
    loss = layer(hidden, torch.tensor([0, 0, C - 1]))
    inputs = (hidden, *layer.parameters())
    found = torch.autograd.grad(loss, inputs, allow_unused=True)  # adaptive: a cluster not visited
    assert torch.isfinite(loss), "the loss is not finite"
    gradients = dense(tuple(g for g in found if g is not None))
    assert all(torch.isfinite(g).all() for g in gradients), "a gradient is not finite"


def the_upstream_gradient_scales_every_gradient(row: Row) -> None:
    """Three times the loss has three times the gradients."""
    hidden, target = random_batch()
    once, thrice = make_layer(row, D, C), make_layer(row, D, C)
    ones = dense(torch.autograd.grad(once(hidden, target), (hidden, *once.parameters())))
    threes = dense(torch.autograd.grad(3 * thrice(hidden, target), (hidden, *thrice.parameters())))
    for one, three in zip(ones, threes, strict=True):
        torch.testing.assert_close(3 * one, three)


def a_second_derivative_is_right_or_refused(row: Row) -> None:
    """Of hidden vectors that are not linear in the input, as an encoder's are not."""
    layer, inputs, target = make_layer(row, D, C), *random_batch(20)
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


def assert_equals_the_reference(row: Row, std: float, n_classes: int) -> None:
    """Value to 1e-6, gradients to 1e-5, in float64."""
    layer = make_layer(row, D, n_classes, std=std)
    hidden, target = random_batch(n_classes=n_classes)
    inputs = (hidden, *layer.parameters())
    loss = layer(hidden, target)
    gradients = dense(torch.autograd.grad(loss, inputs))
    expected = row.reference(batch_of(layer, row, hidden, target, n_classes)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-9)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-9)


def random_batch(n_rows: int = B, n_classes: int = C) -> tuple[torch.Tensor, torch.Tensor]:
    """hidden[B, D] in float64, with a gradient, and target[B]."""
    generator = torch.Generator().manual_seed(7)
    hidden = torch.randn(n_rows, D, generator=generator, dtype=torch.double)
    return hidden.requires_grad_(), torch.randint(n_classes, (n_rows,), generator=generator)


def dense(gradients: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Row-wise gradients as whole ones."""
    return [g.to_dense() if g.is_sparse else g for g in gradients]


@contextmanager
def small_chunks(row: Row) -> Iterator[None]:
    """Within, the layer's file works in the smallest blocks, if it names any."""
    module: Any = importlib.import_module(type(make_layer(row, D, C)).__module__)
    before = {name: getattr(module, name) for name in CHUNKED if hasattr(module, name)}
    try:
        for name in before:
            setattr(module, name, CHUNKED[name])
        yield
    finally:
        for name, size in before.items():
            setattr(module, name, size)


def _of_squared_gradient(
    loss: torch.Tensor, inputs: torch.Tensor, layer: torch.nn.Module
) -> list[torch.Tensor]:
    """The gradients of the squared norm of the loss's gradient in the inputs."""
    (gradient,) = torch.autograd.grad(loss, inputs, create_graph=True)
    of = (inputs, *layer.parameters())
    return dense(torch.autograd.grad(gradient.square().sum(), of, materialize_grads=True))
