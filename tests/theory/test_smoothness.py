"""Smoothness constants, margins and the Taylor gap: what the cards say of gradients."""

import math

import pytest
import torch

from profiler.losses import build
from tests.theory.populations import Fixed, gradient

C = 6
# Loss: settings, the constant, and a pair of scores that comes near it
CASES: dict[str, tuple[dict, float]] = {
    "softmax": ({}, 0.5),
    "sparsemax": ({}, 1.0),
    "rg2": ({}, 1 / C),
    "sampled_softmax": ({"n_negatives": 3}, 0.5),
    "negative_sampling": ({"n_negatives": 3}, 0.5),
    "bpr": ({"n_negatives": 1}, 0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_as_smooth_as_the_card_says(name: str) -> None:
    settings, constant = CASES[name]
    layer = build(name, 1, C, **settings).double()
    bias = layer.bias if name in ("softmax", "sparsemax", "rg2") else layer.bias_rows.weight
    if settings:
        layer.proposal = Fixed(torch.full((C,), 1 / C, dtype=torch.double))
        layer.proposal.drawn = tuple(range(1, 1 + settings["n_negatives"]))
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for trial in range(400):
        spread, step = 10.0 ** (trial % 3 - 1), 10.0 ** -(trial % 4)
        scores = spread * torch.randn(C, generator=generator, dtype=torch.double)
        if trial % 2:  # two classes of probability near 1/2, moved against each other
            scores = torch.tensor([0.0, 0.0, *[-30.0] * (C - 2)], dtype=torch.double)
        move = step * torch.randn(C, generator=generator, dtype=torch.double)
        if trial % 2:
            move = step * torch.tensor([0.5, -0.5, *[0.0] * (C - 2)], dtype=torch.double)
        found = []
        for s in (scores, scores + move):
            with torch.no_grad():
                bias.copy_(s.view_as(bias))
            found.append(gradient(layer, bias, target=0))
        largest = max(largest, float((found[1] - found[0]).norm() / move.norm()))
    assert largest <= constant * (1 + 1e-6)
    tight = 0.49 if name == "negative_sampling" else 0.95  # 1/2 only where a draw hits the target
    assert largest >= tight * constant


def test_sparsemax_stops_at_a_margin_of_one() -> None:
    layer = build("sparsemax", 1, 4).double()
    for lead, is_zero in ((1.0, True), (0.9, False)):
        with torch.no_grad():
            layer.bias.copy_(torch.tensor([lead, 0.0, -0.2, 0.0]))
        loss = layer(torch.zeros(1, 1, dtype=torch.double), torch.tensor([0]))
        assert (abs(loss.item()) < 1e-12) == is_zero
        assert (float(gradient(layer, layer.bias, 0).abs().max()) < 1e-12) == is_zero


def test_rg2_misses_a_single_hot_class() -> None:
    n_classes = 10_000
    hidden, cold = torch.zeros(1, 1, dtype=torch.double), torch.tensor([1])
    losses = {}
    for name in ("softmax", "rg2"):
        layer = build(name, 1, n_classes).double()
        with torch.no_grad():
            layer.bias.zero_()[0] = math.log(n_classes)
        losses[name] = layer(hidden, cold).item()
    assert losses["softmax"] - math.log(n_classes) == pytest.approx(math.log(2), abs=1e-3)
    assert losses["rg2"] == pytest.approx(0.005, abs=1e-3)
