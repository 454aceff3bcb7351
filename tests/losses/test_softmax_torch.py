"""softmax against torch's cross-entropy, with the scores kept and with them computed again."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from profiler.losses import build, softmax

B, D = 300, 5  # two blocks of rows, and with as many classes as below of classes too

settings = pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.3},
        {"cosine": True, "temperature": 0.1},
        {"label_smoothing": 0.2},
        {"label_smoothing": 1.0, "temperature": 2.0},
    ],
    ids=str,
)


def _assert_equals_cross_entropy(n_classes: int, std: float, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = build("softmax", D, n_classes, **settings).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=std)
    hidden = torch.randn(B, D, dtype=torch.double, requires_grad=True)
    target = torch.randint(n_classes, (B,))
    inputs = (hidden, *layer.parameters())
    loss = layer(hidden, target)
    smoothing = settings.get("label_smoothing", 0.0)
    expected = F.cross_entropy(layer.scores(hidden), target, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
    for got, wanted in zip(
        torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-10)


@settings
@pytest.mark.parametrize("kept", [0, 2**23], ids=["again", "kept"])
@pytest.mark.parametrize("std", [0.1, 1.0, 50.0])
def test_value_and_gradients_equal_cross_entropy(
    settings: dict[str, Any], kept: int, std: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "KEPT_SCORES", kept)
    _assert_equals_cross_entropy(1500, std, settings)


@pytest.mark.parametrize("std", [0.1, 50.0])
def test_many_blocks_of_rows_and_of_classes_add_up(
    std: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "BLOCK_ROWS", 7)
    monkeypatch.setattr(softmax, "BLOCK_SCORES", 7 * 5)
    for kept in (0, 2**23):
        monkeypatch.setattr(softmax, "KEPT_SCORES", kept)
        _assert_equals_cross_entropy(83, std, {})


def test_one_large_score_after_many_small_ones_needs_the_shift() -> None:
    layer = build("softmax", 1, 5000)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[-1] = 200.0  # exp overflows in float32, in the last block
    hidden = torch.ones(2, 1, requires_grad=True)
    target = torch.tensor([0, 4999])
    loss = layer(hidden, target)
    (gradient,) = torch.autograd.grad(loss, hidden)
    torch.testing.assert_close(loss, F.cross_entropy(layer.scores(hidden), target))
    torch.testing.assert_close(gradient, torch.tensor([[100.0], [0.0]]))


def test_backward_can_run_twice_and_has_no_second_derivative() -> None:
    layer = build("softmax", D, 50)
    hidden = torch.randn(3, D, requires_grad=True)
    loss = layer(hidden, torch.tensor([1, 2, 3]))
    once, twice = (torch.autograd.grad(loss, hidden, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(once, twice)
    with pytest.raises(RuntimeError, match="softmax has first derivatives only"):
        torch.autograd.grad(loss, hidden, create_graph=True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"temperature": 0.0}, "temperature=0.0; it must be above 0"),
        ({"temperature": -1.0}, "temperature=-1.0; it must be above 0"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5; allowed are 0 to 1"),
        ({"label_smoothing": -0.1}, "label_smoothing=-0.1; allowed are 0 to 1"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build("softmax", D, 50, **settings)
