"""Layer of the focal loss: torch only."""

from typing import NoReturn

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


class FocalSoftmax(nn.Module):
    """Equals -(1 - p_y)^gamma log p_y at p = softmax(linear(hidden, weight, bias)).

    Source: Lin et al. 2017, equation 5, over many classes.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        positives_weight: str = "each",
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.n_classes, self.positives_weight, self.gamma = n_classes, positives_weight, gamma
        self.weight = nn.Parameter(torch.empty(n_classes, in_features).normal_(std=0.01))
        self.bias = nn.Parameter(torch.zeros(n_classes)) if bias else None

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, weight = self._examples(hidden, target)
        scores = self.scores(hidden)
        precise = scores.float() if scores.dtype == torch.bfloat16 else scores
        log_p = F.log_softmax(precise, dim=1).gather(1, classes[:, None])[:, 0]
        losses = -((1 - log_p.exp()) ** self.gamma) * log_p
        return (weight * losses).sum().to(hidden.dtype)

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: torch.Tensor) -> NoReturn:
        """Raises: its softmax is not p at the optimum."""
        raise NotImplementedError("focal_softmax has no probabilities: softmax(s) is not p")

    def _examples(
        self, hidden: torch.Tensor, target: Target
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
        if hidden.ndim != 2 or not hidden.is_floating_point():
            raise ValueError(f"hidden {tuple(hidden.shape)} is not a floating-point matrix [B, D]")
        if not torch.isfinite(hidden).all():
            raise ValueError("hidden must be finite; it holds NaN or infinity")
        counts = None
        if isinstance(target, tuple):
            target, offsets = target
            counts = offsets.diff()
            if offsets.is_floating_point():
                raise ValueError("offsets must be whole numbers")
            fits = len(offsets) == len(hidden) + 1 and int(offsets[-1]) == len(target)
            if not fits or (counts < 0).any():
                raise ValueError(f"offsets must rise from 0 to {len(target)}, row by row")
            hidden = hidden.repeat_interleave(counts, 0)
        if target.dtype != torch.long:
            raise ValueError(f"target must be torch.long, it is {target.dtype}")
        if target.ndim != 1 or len(target) != len(hidden) or len(target) == 0:
            raise ValueError("target must hold one class per row, at least one")
        if int(target.min()) < 0 or int(target.max()) >= self.n_classes:
            raise ValueError(f"target is out of range; allowed are 0 to {self.n_classes - 1}")
        weight = torch.ones(len(target), dtype=hidden.dtype, device=hidden.device)
        if counts is not None and self.positives_weight == "mean":
            weight = (1.0 / counts).repeat_interleave(counts).to(hidden.dtype)
        return hidden, target, weight / weight.sum()
