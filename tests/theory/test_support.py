"""Sparse maps: how many classes a row reaches, and how many get no gradient, at the start."""

import pytest
import torch

from profiler.losses import build
from tests.theory.populations import normal

C = 10_000
SPARSE = {"sparsemax": {}, "entmax": {"alpha": 1.5}}
# Classes with a probability, of 10,000 normal scores of a standard deviation: means of 80 rows,
# where theory notes, T10, counted one row
SIZES = {
    "sparsemax": ((0.001, 1838), (0.01, 263), (0.1, 34), (1.0, 4.5)),
    "entmax": ((0.001, 10_000), (0.01, 9598), (0.1, 1042), (1.0, 21)),
}


def _layer(name: str, deviation: float, n_rows: int) -> torch.nn.Module:
    loss = name.split("-")[0]
    layer = build(loss, n_rows, C, bias=False, **SPARSE.get(name, {})).double()
    with torch.no_grad():
        layer.weight.copy_(deviation * normal(C, n_rows))
    return layer


@pytest.mark.parametrize("name", SIZES)
def test_the_support_shrinks_as_the_scores_spread(name: str) -> None:
    n_rows = 8
    for deviation, expected in SIZES[name]:
        layer = _layer(name, deviation, n_rows)
        found = layer.log_prob(torch.eye(n_rows, dtype=torch.double)).isfinite().sum(1)
        spread = 4 * expected**0.5 / n_rows**0.5
        assert found.double().mean() == pytest.approx(expected, abs=spread)


@pytest.mark.parametrize("name", SPARSE)
def test_classes_outside_the_support_get_no_gradient_but_the_target_does(name: str) -> None:
    n_rows = 8
    layer = _layer(name, 1.0, n_rows)
    hidden = torch.eye(n_rows, dtype=torch.double)
    outside = layer.log_prob(hidden).isneginf()
    target = torch.arange(n_rows)
    assert outside[target, target].all()
    (n_rows * layer(hidden, target)).backward()
    gradient = layer.weight.grad.t()
    torch.testing.assert_close(gradient[target, target], torch.full((n_rows,), -1.0).double())
    outside[target, target] = False
    assert (gradient[outside] == 0).all()
    assert outside.double().mean() > 0.99


def test_at_the_start_softmax_moves_every_class_and_sparse_maps_few() -> None:
    """64 rows of 64 features: scores of standard deviation .08, as layers start."""
    shares = {}
    for name in ("softmax", *SPARSE):
        torch.manual_seed(0)
        layer = build(name.split("-")[0], 64, C, **SPARSE.get(name, {}))
        layer(torch.randn(64, 64), torch.arange(64)).backward()
        shares[name] = float((layer.weight.grad == 0).all(1).float().mean())
    assert shares["softmax"] == 0
    assert 0.6 < shares["sparsemax"] < 0.9
