"""What only the sampled losses have: where they start, what they refuse, what a step may hold."""

from typing import Any

import pytest
import torch

from advisor.card import StepShape
from advisor.catalogue import known_losses
from profiler.losses import build
from profiler.losses.testing.layers import class_counts
from tests.peak_memory import peak_bytes

C, D = 40, 3
ALL = ("sampled_softmax", "nce", "negative_sampling", "bpr")


def _layer(loss: str, n_classes: int = C, **settings: Any) -> torch.nn.Module:
    return build(loss, D, n_classes, class_counts=class_counts(n_classes), **settings)


@pytest.mark.parametrize(
    ("loss", "settings", "says"),
    [
        *((loss, {"negatives": "all"}, "'shared', 'per_row'") for loss in ALL),
        ("sampled_softmax", {"proposal": "hard", "pool_size": 30}, "needs a proposal with log q"),
        (
            "sampled_softmax",
            {"proposal": "hard", "correction": "importance"},
            "needs a proposal with log q",
        ),
        (
            "sampled_softmax",
            {"proposal": "hard", "correction": "none", "n_negatives": 9, "pool_size": 8},
            "n_negatives=9; allowed are 1 to the pool, 8",
        ),
        (
            "sampled_softmax",
            {"proposal": "hard", "pool_size": 41},
            "pool_size=41; allowed are 1 to",
        ),
        (
            "sampled_softmax",
            {"proposal": "in_batch", "negatives": "per_row"},
            "'per_row' has no sense in-batch",
        ),
        (
            "sampled_softmax",
            {"proposal": "hard", "correction": "none", "negatives": "per_row"},
            "'per_row' has no sense",
        ),
        ("negative_sampling", {"calibration": 1.5}, "calibration=1.5; allowed are 0 to 1"),
        *(
            (loss, {"proposal": proposal}, f"{loss}: unknown proposal '{proposal}'; allowed are")
            for loss in ("nce", "negative_sampling", "bpr")
            for proposal in ("in_batch", "hard")
        ),
        *((loss, {"pool_size": 8}, "has no setting 'pool_size'; it has") for loss in ALL[1:]),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_reason(
    loss: str, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        _layer(loss, **settings)


def test_what_a_task_may_not_give_a_layer_does_not_take_either() -> None:
    known = known_losses()["sampled_softmax"]
    for settings in (
        {"proposal": "hard", "correction": "both"},
        {"proposal": "hard", "correction": "importance"},
        {"proposal": "hard", "correction": "none", "negatives": "per_row"},
        {"proposal": "hard", "correction": "none", "n_negatives": 30, "pool_size": 20},
        {"proposal": "in_batch", "negatives": "per_row"},
    ):
        assert known.refusal(settings), settings
        with pytest.raises(ValueError, match=r"."):
            _layer("sampled_softmax", **settings)
    for proposal in ("popularity", "uniform", "mixed", "in_batch"):
        for correction in ("both", "importance", "none"):
            settings = {"proposal": proposal, "correction": correction}
            assert known.refusal(settings) is None
            _layer("sampled_softmax", **settings)


def test_a_layer_has_probabilities_where_its_card_says_so() -> None:
    known, hidden = known_losses()["sampled_softmax"], torch.ones(2, D)
    for proposal in ("popularity", "uniform", "mixed", "in_batch", "hard"):
        for correction in ("both", "importance", "none"):
            for power in (0.0, 1.0):
                settings = {
                    "proposal": proposal,
                    "correction": correction,
                    "popularity_power": power,
                    "pool_size": C,
                }
                if known.refusal({**settings, "n_negatives": 5}):
                    continue
                layer = _layer("sampled_softmax", n_negatives=5, **settings)
                if known.has_probabilities(settings):
                    assert layer.log_prob(hidden).exp().sum(1).allclose(torch.ones(2))
                else:
                    with pytest.raises(NotImplementedError, match="no probabilities"):
                        layer.log_prob(hidden)


@pytest.mark.parametrize("proposal", ["uniform", "popularity", "mixed"])
def test_nce_starts_normalised(proposal: str) -> None:
    layer = _layer("nce", proposal=proposal)
    every = torch.arange(C)
    assert torch.equal(layer.bias_rows.weight[:, 0], layer.proposal.log_q(every))
    hidden = torch.randn(50, D, generator=torch.Generator().manual_seed(0))
    assert layer.scores(hidden).logsumexp(1).abs().max() < 0.1


def test_nce_needs_log_q() -> None:
    from profiler.losses.nce import Nce

    class Unknown:
        def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
            return torch.zeros(n, dtype=torch.long)

    with pytest.raises(ValueError, match="needs a proposal with log q"):
        Nce(D, C, proposal=Unknown())


@pytest.mark.parametrize("calibration", [0.0, 0.5, 1.0])
def test_negative_sampling_starts_where_p_equals_q(calibration: float) -> None:
    """At s = log(beta / K), where beta p / (K q) is the odds."""
    layer = _layer("negative_sampling", n_negatives=8, calibration=calibration)
    odds = layer.bias_rows.weight.detach().exp()
    beta = 1 - calibration * (1 - 8 / (C - 1))
    torch.testing.assert_close(odds, torch.full((C, 1), beta / 8))


def test_in_batch_takes_the_other_rows_and_never_its_own() -> None:
    layer = _layer("sampled_softmax", proposal="in_batch", correction="none", bias=False)
    hidden = torch.eye(2, D)
    with torch.no_grad():
        layer.weight_rows.weight.copy_(torch.linspace(-1, 1, C * D).view(C, D))
    score = layer.scores(hidden)
    losses = [(score[0, 7] - score[0, 4]).exp().log1p(), (score[1, 4] - score[1, 7]).exp().log1p()]
    found = layer(hidden, torch.tensor([4, 7]))
    torch.testing.assert_close(found, torch.stack(losses).mean())
    csr = (torch.tensor([4, 9, 7]), torch.tensor([0, 2, 3]))
    losses = [(score[0, 7] - score[0, j]).exp().log1p() for j in (4, 9)]
    losses.append((score[1, [4, 9]] - score[1, 7]).exp().sum().log1p())
    torch.testing.assert_close(layer(hidden, csr), torch.stack(losses).mean())


def test_a_batch_of_one_has_no_in_batch_negatives_and_no_gradient() -> None:
    layer = _layer("sampled_softmax", proposal="in_batch")
    loss = layer(torch.ones(1, D), torch.tensor([3]))
    loss.backward()
    assert loss.item() == 0
    assert layer.weight_rows.weight.grad.to_dense().eq(0).all()


@pytest.mark.parametrize("proposal", ["popularity", "in_batch"])
def test_a_class_that_has_nearly_all_of_the_counts_leaves_the_gradients_finite(
    proposal: str,
) -> None:
    counts = torch.tensor([10**9] + [0] * (C - 1))  # log q of the first is 0 in float32
    layer = build(
        "sampled_softmax", D, C, class_counts=counts, proposal=proposal, correction="importance"
    )
    hidden = torch.ones(4, D, requires_grad=True)
    loss = layer(hidden, torch.tensor([0, 1, 2, 0]))
    loss.backward()
    assert loss.isfinite()
    for gradient in (hidden.grad, layer.weight_rows.weight.grad.to_dense()):
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("sampled_softmax", {"proposal": "popularity"}),
        ("sampled_softmax", {"proposal": "popularity", "correction": "importance"}),
        ("sampled_softmax", {"proposal": "in_batch"}),
        ("sampled_softmax", {"proposal": "hard", "correction": "none"}),
        ("sampled_softmax", {"negatives": "per_row", "n_negatives": 64}),
        ("nce", {"proposal": "popularity"}),
        ("negative_sampling", {}),
        ("bpr", {}),
        ("bpr", {"negatives": "per_row", "n_negatives": 64}),
    ],
)
def test_a_step_stays_within_the_bytes_of_the_card(loss: str, settings: dict[str, Any]) -> None:
    shape = StepShape(batch_size=1024, n_classes=100_000, embedding_dim=32)
    assert peak_bytes(loss, shape, settings) < 1.2 * known_losses()[loss].step_bytes(
        shape, settings
    )
