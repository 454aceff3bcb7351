"""What a layer owes its user beside the right value: refusals, rows touched, state, its card."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch

from advisor.card import StepShape
from advisor.catalogue import card_module, known_loss
from advisor.task import METRICS, Metric
from profiler.losses import build
from profiler.losses.testing.layers import make_layer, redraw
from profiler.losses.testing.row import Row
from profiler.optimiser import optimisers

B, C, D = 8, 30, 3
HIDDEN = torch.ones(B, D, dtype=torch.double)
TARGET = torch.arange(B)
BAD_BATCHES: tuple[tuple[Any, Any, str], ...] = (
    (HIDDEN, TARGET + C, f"allowed are 0 to {C - 1}"),
    (HIDDEN, TARGET - 1, f"allowed are 0 to {C - 1}"),
    (HIDDEN, TARGET.int(), "torch.long"),
    (HIDDEN, TARGET[:-1], "one class per row"),
    (HIDDEN[:0], TARGET[:0], "at least one"),
    (HIDDEN * torch.nan, TARGET, "hidden must be finite"),
    (HIDDEN * torch.inf, TARGET, "hidden must be finite"),
    (HIDDEN, (TARGET, torch.tensor([0, B])), "offsets"),
    (HIDDEN, (TARGET, torch.arange(B + 1) * 2), "offsets"),
    (HIDDEN, (TARGET, torch.arange(B + 1.0)), "whole numbers"),
    (HIDDEN[:0], (TARGET[:0], TARGET[:0]), "offsets"),
    (HIDDEN[None], TARGET, "floating-point matrix [B, D]"),
    (HIDDEN.long(), TARGET, "floating-point matrix [B, D]"),
)
BAD_SETTINGS: tuple[tuple[tuple[int, int], dict[str, Any], str], ...] = (
    ((0, C), {}, "in_features=0"),
    ((D, 0), {}, "n_classes=0"),
    ((D, C), {"positives_weight": "all"}, "'each', 'mean'"),
    ((D, C), {"temprature": 1.0}, "has no setting 'temprature'"),
)


def a_bad_batch_is_refused_with_what_is_allowed(row: Row) -> None:
    """By a ValueError with these words."""
    layer = make_layer(row, D, C)
    for hidden, target, says in BAD_BATCHES:
        refuses(lambda hidden=hidden, target=target: layer(hidden, target), ValueError, says)


def bad_settings_are_refused_with_what_is_allowed(row: Row) -> None:
    """By a ValueError with these words."""
    for sizes, settings, says in BAD_SETTINGS:
        refuses(
            lambda sizes=sizes, settings=settings: build(row.loss, *sizes, **settings),
            ValueError,
            says,
        )


def a_state_dict_round_trip_keeps_the_scores(row: Row) -> None:
    """What draws the negatives follows from the counts, and is not saved."""
    saved, fresh = make_layer(row, D, C, seed=1), make_layer(row, D, C, seed=2)
    fresh.load_state_dict(saved.state_dict())
    assert torch.equal(saved.scores(HIDDEN), fresh.scores(HIDDEN)), "the scores differ"
    assert all("proposal" not in name for name in saved.state_dict()), "the proposal is saved"


def log_probabilities_sum_to_one_or_are_refused_as_the_card_says(row: Row) -> None:
    """NotImplementedError where the card has no probabilities."""
    layer = make_layer(row, D, C)
    if not known_loss(row.loss).has_probabilities(row.settings):
        says = f"{row.loss} has no probabilities"
        refuses(lambda: layer.log_prob(HIDDEN), NotImplementedError, says)
        return
    total = layer.log_prob(HIDDEN).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


def a_step_touches_only_the_targets_and_the_drawn_classes(row: Row) -> None:
    """By a sparse gradient; with decay, too."""
    layer = make_layer(row, D, 1000)
    before = layer.weight_rows.weight.detach().clone()
    layer(HIDDEN, TARGET).backward()
    touched = set(TARGET.tolist()) | set(redraw(layer, row, B).flatten().tolist())
    gradient = layer.weight_rows.weight.grad
    assert gradient.is_sparse, "the gradient of weight_rows.weight is not sparse"
    assert set(gradient.coalesce().indices()[0].tolist()) == touched
    for optimiser in optimisers([layer], 0.1, 0.1):
        optimiser.step()
    moved = (layer.weight_rows.weight != before).any(1).nonzero()[:, 0]
    assert set(moved.tolist()) == touched


def a_generator_at_the_same_state_draws_the_same_loss(row: Row) -> None:
    """And at the next state another one; negatives that are the batch's own are not drawn."""
    if row.settings.get("proposal") == "in_batch":
        return
    layer = make_layer(row, D, C)
    state = layer.generator.get_state()
    first, second = layer(HIDDEN, TARGET), layer(HIDDEN, TARGET)
    layer.generator.set_state(state)
    assert torch.equal(layer(HIDDEN, TARGET), first), "the same state drew another loss"
    assert not torch.equal(first, second), "two draws are the same"


def the_card_says_of_every_metric_and_of_every_cost(row: Row) -> None:
    """Consistency with a reason and a source; flop and bytes above 0 that grow with the classes."""
    known = known_loss(row.loss)
    settings = {s.name: s.choices[0] for s in known.card.settings} | row.settings
    for name, kind in METRICS.items():
        found = known.consistency(Metric(name=name, k=10 if kind.at_k else None), settings)
        assert found.reason, f"{name}: no reason"
        assert found.source, f"{name}: no source"
    small, large = (
        StepShape(batch_size=256, n_classes=n, embedding_dim=64) for n in (1000, 100_000)
    )
    for cost in (known.step_flop, known.step_bytes):
        assert 0 < cost(small, settings) <= cost(large, settings), cost.__name__


def the_card_is_read_without_torch(row: Row) -> None:
    """In a fresh interpreter: the service's own process has none."""
    module = card_module(row.loss)
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, f"{module} imports torch, or fails: {ran.stderr}"


def refuses(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    """Raises AssertionError unless the call raises this error with these words."""
    try:
        call()
    except error as refused:
        if says in str(refused):
            return
        raise AssertionError(f"it says {str(refused)!r}, without {says!r}") from refused
    raise AssertionError(f"it does not raise {error.__name__} with {says!r}")
