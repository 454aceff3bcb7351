"""A row: a loss with settings and its naive formula; and what a formula sees of a batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from advisor.catalogue import known_loss


@dataclass(frozen=True)
class Batch:
    """hidden[B, D], target[B], the layer's parameters by name; and what a sampled layer drew.

    `drawn` holds the classes in the layer's own order, `log_q`[C] the log-chances of its proposal,
    `class_counts`[C] the training counts, `buffers` the layer's by name.
    """

    hidden: torch.Tensor
    target: torch.Tensor
    parameters: dict[str, torch.Tensor]
    drawn: torch.Tensor
    log_q: torch.Tensor
    class_counts: torch.Tensor
    buffers: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def scores(self) -> torch.Tensor:
        """hidden weight^T + bias, [B, C], of a layer that has one weight row per class."""
        rows = "weight_rows.weight" in self.parameters
        weight, bias = ("weight_rows.weight", "bias_rows.weight") if rows else ("weight", "bias")
        scores = self.hidden @ self.parameters[weight].t()
        return scores + self.parameters[bias].view(-1) if bias in self.parameters else scores


Reference = Callable[[Batch], torch.Tensor]


@dataclass(frozen=True)
class Row:
    """A loss with settings, and its naive formulas: loss[B] and scores[B, C] of a batch.

    The formulas are written from the theory alone, in plain torch, and never call the layer.
    """

    id: str
    loss: str
    reference: Reference
    settings: dict[str, Any] = field(default_factory=dict)
    scores: Reference = lambda batch: batch.scores

    @property
    def family(self) -> str:
        """exact, sampled or factorised, as the card says."""
        return known_loss(self.loss).card.family
