"""The sparse losses equal those of the `entmax` package, in value and gradient."""

import entmax
import pytest
import torch

from profiler.losses import build

B, C, D = 200, 500, 8
CASES = [
    ("sparsemax", {}, entmax.sparsemax_loss),
    ("entmax", {"alpha": 2.0}, entmax.sparsemax_loss),
    ("entmax", {}, entmax.entmax15_loss),
    ("entmax", {"alpha": 1.25}, lambda s, y: entmax.entmax_bisect_loss(s, y, 1.25, 45)),
]


@pytest.mark.parametrize("std", [0.001, 0.03, 0.5, 3.0])
@pytest.mark.parametrize(("loss", "settings", "theirs"), CASES)
def test_value_and_gradients_equal_the_packages(loss, settings, theirs, std: float) -> None:
    torch.manual_seed(0)
    layer = build(loss, D, C, **settings).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=std)
    hidden = torch.randn(B, D, dtype=torch.double, requires_grad=True)
    target = torch.randint(C, (B,))
    inputs = (hidden, *layer.parameters())
    ours, wanted = layer(hidden, target), theirs(layer.scores(hidden), target).mean()
    torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-9)
    pairs = zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(wanted, inputs), strict=True)
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    ("loss", "settings", "theirs"),
    [
        ("sparsemax", {}, entmax.sparsemax),
        ("entmax", {}, entmax.entmax15),
        ("entmax", {"alpha": 1.25}, lambda s: entmax.entmax_bisect(s, 1.25, n_iter=45)),
    ],
)
def test_probabilities_and_their_gradients_equal_the_packages(loss, settings, theirs) -> None:
    torch.manual_seed(0)
    layer = build(loss, D, C, **settings).double()
    torch.nn.init.normal_(layer.weight)
    hidden = torch.randn(B, D, dtype=torch.double, requires_grad=True)
    ours, wanted = layer.log_prob(hidden).exp(), theirs(layer.scores(hidden))
    torch.testing.assert_close(ours, wanted, rtol=1e-7, atol=1e-10)
    upstream = torch.randn_like(wanted)
    (got,) = torch.autograd.grad(ours, hidden, upstream)
    (expected,) = torch.autograd.grad(wanted, hidden, upstream)
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("loss", "alpha"), [("sparsemax", 2.0), ("entmax", 1.5), ("entmax", 1.25)])
def test_a_target_that_leads_by_the_margin_has_no_loss(loss: str, alpha: float) -> None:
    layer = build(loss, 1, 40, **({"alpha": alpha} if loss == "entmax" else {}))
    with torch.no_grad():
        layer.bias[7] = 1 / (alpha - 1)
    hidden = torch.zeros(3, 1, requires_grad=True)
    assert layer(hidden, torch.full((3,), 7)).item() == pytest.approx(0, abs=1e-6)
    layer(hidden, torch.full((3,), 7)).backward()
    assert layer.bias.grad.abs().max() < 1e-6


@pytest.mark.parametrize(("loss", "settings", "theirs"), CASES)
@pytest.mark.parametrize("n_flat", [0, 24])
def test_so_they_do_where_scores_are_searched_tile_by_tile(
    loss, settings, theirs, n_flat: int
) -> None:
    torch.manual_seed(0)
    n_rows, n_classes = 280, 10_000  # more scores a block of rows than are searched at once
    layer = build(loss, 4, n_classes, **settings).double()
    torch.nn.init.normal_(layer.weight)
    hidden = torch.randn(n_rows, 4, dtype=torch.double)
    hidden[n_rows - n_flat :] *= 1e-4  # support of few classes in the first rows, of most in these
    hidden.requires_grad_()
    target = torch.randint(n_classes, (n_rows,))
    inputs = (hidden, *layer.parameters())
    ours, wanted = layer(hidden, target), theirs(layer.scores(hidden), target).mean()
    torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-9)
    pairs = zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(wanted, inputs), strict=True)
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-10)
