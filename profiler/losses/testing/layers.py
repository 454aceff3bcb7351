"""The layers of rows with random weights, and what a reference sees of their next step."""

from typing import Any

import torch
from torch import nn

from profiler.losses import build
from profiler.losses.testing.row import Batch, Row


def class_counts(n_classes: int) -> torch.Tensor:
    """The training counts that every row's layer is built with: 1, 2, 3 ... C."""
    return torch.arange(1, n_classes + 1)


def make_layer(
    row: Row, n_features: int, n_classes: int, *, seed: int = 0, std: float = 0.5, **changed: Any
) -> Any:
    """A float64 layer with random weights and biases."""
    torch.manual_seed(seed)
    settings = {**row.settings, **changed}
    if "n_negatives" in settings:
        settings["n_negatives"] = min(settings["n_negatives"], n_classes)
    layer = build(
        row.loss,
        n_features,
        n_classes,
        class_counts=class_counts(n_classes),
        generator=torch.Generator().manual_seed(seed),
        **settings,
    ).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=std)
    return layer


def batch_of(
    layer: nn.Module, row: Row, hidden: torch.Tensor, target: torch.Tensor, n_classes: int
) -> Batch:
    """What the reference sees of the layer's next step, if its generator is fresh."""
    return Batch(
        hidden,
        target,
        dict(layer.named_parameters()),
        redraw(layer, row, len(target)),
        log_q(row, n_classes),
        class_counts(n_classes),
        dict(layer.named_buffers()),
    )


def redraw(layer: Any, row: Row, n_rows: int, seed: int = 0) -> torch.Tensor:
    """The classes a layer with a fresh generator of this seed draws at its next step.

    [K], or [B, K] with draws per row; of 'hard' the pool, of 'in_batch' none.
    """
    if row.family != "sampled" or row.settings.get("proposal") == "in_batch":
        return torch.empty(0, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    if layer.negatives == "per_row":
        drawn = layer.proposal.sample(n_rows * layer.n_negatives, generator)
        return drawn.view(n_rows, layer.n_negatives)
    return layer.proposal.sample(row.settings.get("pool_size", layer.n_negatives), generator)


def log_q(row: Row, n_classes: int) -> torch.Tensor:
    """log q of every class under the row's proposal, in float64 of what a layer has in float32."""
    counts = class_counts(n_classes).double()
    if row.settings.get("proposal", "uniform") in ("uniform", "hard"):
        counts = torch.ones_like(counts)
    mass = counts ** row.settings.get("popularity_power", 1.0)
    q = mass / mass.sum()
    if row.settings.get("proposal") == "mixed":
        q = (q + 1 / n_classes) / 2
    return q.log().float().double()
