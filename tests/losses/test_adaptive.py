"""Adaptive softmax: torch's own values by the caller's ids, and clusters that fit any size."""

import pytest
import torch
from torch import nn

from advisor.card import StepShape
from advisor.catalogue import known_losses
from profiler.losses import build
from tests.peak_memory import peak_bytes

B, C, D = 64, 200, 32
COUNTS = torch.randperm(C, generator=torch.manual_seed(0))
TARGET = torch.randint(C, (B,), generator=torch.manual_seed(1))


def _layer(n_features: int = D, n_classes: int = C, **settings):
    torch.manual_seed(0)
    return build("adaptive_softmax", n_features, n_classes, **settings)


@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"div_value": 2}])
@pytest.mark.parametrize("dtype", [torch.double, torch.float, torch.bfloat16])
def test_it_equals_torch_on_classes_sorted_by_frequency(settings: dict, dtype: torch.dtype) -> None:
    layer = _layer(class_counts=COUNTS, **settings).to(dtype)
    torch_s = nn.AdaptiveLogSoftmaxWithLoss(
        D, C, [4, 40], settings.get("div_value", 4), settings.get("bias", True), dtype=dtype
    )
    torch_s.load_state_dict(layer.adaptive.state_dict())
    rank = C - 1 - COUNTS  # the class counted most often comes first
    hidden = torch.randn(B, D, dtype=dtype, requires_grad=True)
    loss, wanted = layer(hidden, TARGET), torch_s(hidden, rank[TARGET]).loss
    gradient, wanted_gradient = (torch.autograd.grad(f, hidden)[0] for f in (loss, wanted))
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(gradient, wanted_gradient)
    torch.testing.assert_close(layer.log_prob(hidden), torch_s.log_prob(hidden)[:, rank])


def test_the_predicted_class_is_the_callers_id() -> None:
    layer, hidden = _layer(class_counts=COUNTS), 10 * torch.randn(B, D)
    by_rank = layer.adaptive.predict(hidden)
    assert torch.equal(COUNTS[layer.scores(hidden).argmax(1)], C - 1 - by_rank)


def test_without_counts_the_ids_are_ranks() -> None:
    layer, hidden = _layer(), torch.randn(B, D)
    assert torch.equal(layer.scores(hidden), layer.adaptive.log_prob(hidden))


@pytest.mark.parametrize("n_features", [1, 3, 8, 64])
@pytest.mark.parametrize("n_classes", [2, 3, 7, 8, 10, 25, 75, 1000])
def test_every_size_has_clusters_of_at_least_one_dimension(n_features: int, n_classes: int) -> None:
    layer, hidden = _layer(n_features, n_classes), torch.randn(3, n_features)
    for parameter in layer.parameters():
        assert parameter.numel() > 0
    torch.testing.assert_close(layer.log_prob(hidden).exp().sum(1), torch.ones(3))
    losses = [layer(hidden[:1], torch.tensor([c])) for c in range(n_classes)]
    torch.testing.assert_close(-layer.scores(hidden[:1])[0], torch.stack(losses))


@pytest.mark.parametrize(
    ("n_features", "div_value", "widths"),
    [(64, 4.0, [16, 4]), (64, 1, [64, 64]), (64, 100.0, [8, 1]), (10, 4.0, [3, 1])],
)
def test_clusters_narrow_by_div_value_down_to_one_dimension(
    n_features: int, div_value: float, widths: list[int]
) -> None:
    layer = _layer(n_features, div_value=div_value)
    assert [tail[0].out_features for tail in layer.adaptive.tail] == widths


def test_a_state_dict_brings_its_ranks() -> None:
    saved, other = _layer(class_counts=COUNTS), _layer(class_counts=COUNTS.flip(0))
    hidden = torch.randn(B, D)
    other.load_state_dict(saved.state_dict())
    assert torch.equal(other.scores(hidden), saved.scores(hidden))
    assert torch.equal(other(hidden, TARGET), saved(hidden, TARGET))


def test_a_cluster_without_a_target_gets_no_gradient() -> None:
    layer = _layer()
    layer(torch.randn(2, D), torch.tensor([0, C - 1])).backward()
    middle, last = layer.adaptive.tail
    assert all(p.grad is None for p in middle.parameters())
    assert all(p.grad is not None for p in last.parameters())


def test_given_cutoffs_are_taken() -> None:
    layer = _layer(cutoffs=(10, 50, 100))
    assert layer.adaptive.cutoffs == [10, 50, 100, C]
    assert layer.log_prob(torch.zeros(1, D)).shape == (1, C)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cutoffs": ()}, "rise from 1 to 199"),
        ({"cutoffs": (0, 10)}, "rise from 1 to 199"),
        ({"cutoffs": (10, 10)}, "rise from 1 to 199"),
        ({"cutoffs": (10, C)}, "rise from 1 to 199"),
        ({"div_value": 0.5}, "div_value=0.5; at least 1"),
        ({"div_value": float("nan")}, "at least 1"),
        ({"class_counts": COUNTS[1:]}, "each of the 200 classes"),
        ({"class_counts": COUNTS - 1}, "count >= 0"),
        ({"class_counts": COUNTS * torch.nan}, "count >= 0"),
    ],
)
def test_settings_that_fit_no_classes_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        _layer(**settings)


def test_a_step_stays_within_the_bytes_of_its_card() -> None:
    shape = StepShape(batch_size=1024, n_classes=100_000, embedding_dim=16)
    # The card's 14% of Zipf rows in the last cluster are as many as 80% of these uniform ones.
    zipf = shape.model_copy(update={"batch_size": round(1024 * 0.8 / 0.14)})
    promised = known_losses()["adaptive_softmax"].step_bytes(zipf, {})
    assert peak_bytes("adaptive_softmax", shape) < promised
