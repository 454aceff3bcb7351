"""Negative sampling, logistic loss on drawn classes: one self-contained file, torch only."""

import math
from typing import NoReturn, Protocol

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Proposal(Protocol):
    """How negatives are drawn, with replacement."""

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor: ...


class NegativeSampling(nn.Module):
    """Equals one-against-drawn logistic regressions, without the scores of all but K classes.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target, S = K classes
    drawn from the proposal q with replacement, shared by the rows, hits of the target kept:

        loss = mean_b [ -log sigmoid(s_by) - sum_{j in S} log sigmoid(-s_bj) ]

    The optimum is s = log(p / q) - log K: the order of p only if q is uniform. Biases start at
    -log K.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B K D) time and 4 B K bytes of scores, whatever C is; gradients are sparse: only the
    rows of the targets and of S are touched, if the optimiser is row-wise too.
    Numerical contract: sums in the dtype of hidden; scores of +-1e4 stay finite. Draws come from
    `generator` only (torch's default one where it is None).

    Raises ValueError: a size below its minimum, more negatives than classes, target out of
    range, hidden not finite.

    Source: Mikolov et al. 2013, section 2.2; optimum: Levy & Goldberg 2014.

    >>> layer = NegativeSampling(2, 4, bias=False, n_negatives=4)
    >>> _ = nn.init.zeros_(layer.weight_rows.weight)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # 5 log 2: the target and four draws, scores of 0
    3.4657
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        n_negatives: int | None = None,
        proposal: Proposal | None = None,
        positives_weight: str = "each",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if n_negatives is None:
            n_negatives = min(256, n_classes)
        if not 1 <= n_negatives <= n_classes:
            raise ValueError(f"n_negatives={n_negatives}; allowed are 1 to {n_classes} classes")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.proposal = proposal or _Uniform(n_classes)
        self.n_classes = n_classes
        self.n_negatives = n_negatives
        self.positives_weight = positives_weight
        self.generator = generator
        self.weight_rows = nn.Embedding(n_classes, in_features, sparse=True)
        nn.init.normal_(self.weight_rows.weight, std=INIT_STD)
        self.bias_rows = nn.Embedding(n_classes, 1, sparse=True) if bias else None
        if self.bias_rows is not None:
            # The optimum of a class with p = q: else K negatives first push every score down
            nn.init.constant_(self.bias_rows.weight, -math.log(n_negatives))

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        drawn = self.proposal.sample(self.n_negatives, self.generator).to(hidden.device)
        ids = torch.cat((classes, drawn))
        weight, n = self.weight_rows(ids), len(classes)
        positive = (hidden * weight[:n]).sum(1)
        negative = hidden @ weight[n:].t()
        if self.bias_rows is not None:
            bias = self.bias_rows(ids)[:, 0]
            positive, negative = positive + bias[:n], negative + bias[n:]
        per_row = F.softplus(-positive) + F.softplus(negative).sum(1)
        return (row_weight * per_row).sum()

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]; log q is never added back."""
        bias = None if self.bias_rows is None else self.bias_rows.weight[:, 0]
        return F.linear(hidden, self.weight_rows.weight, bias)

    def log_prob(self, hidden: torch.Tensor) -> NoReturn:
        """Raises: the scores are log-odds against drawn classes, not log-probabilities."""
        raise NotImplementedError(
            "negative_sampling has no probabilities: its scores are log(p / q) - log K"
        )


class _Uniform:
    """Every class with the same chance."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        device = None if generator is None else generator.device
        return torch.randint(self.n_classes, (n,), generator=generator, device=device)


def _examples(
    hidden: torch.Tensor, target: Target, n_classes: int, positives_weight: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
    if not torch.isfinite(hidden).all():
        raise ValueError("hidden must be finite; it holds NaN or infinity")
    classes, weight = target, None
    if isinstance(classes, tuple):
        classes, offsets = classes
        counts = offsets.diff()
        if len(counts) != len(hidden) or (counts < 0).any() or int(offsets[0]) != 0:
            raise ValueError(f"offsets must rise from 0 and hold {len(hidden)} + 1 numbers")
        if int(offsets[-1]) != len(classes):
            raise ValueError(f"offsets end at {int(offsets[-1])}, there are {len(classes)} indices")
        rows = torch.repeat_interleave(torch.arange(len(hidden), device=hidden.device), counts)
        hidden = hidden.index_select(0, rows)
        if positives_weight == "mean":
            weight = counts.to(hidden.dtype).reciprocal().index_select(0, rows)
    if classes.dtype != torch.long:
        raise ValueError(f"target must be torch.long, it is {classes.dtype}")
    if classes.ndim != 1 or len(classes) != len(hidden) or len(classes) == 0:
        raise ValueError(f"target {tuple(classes.shape)} must hold one class per row, at least one")
    low, high = (int(bound) for bound in classes.aminmax())
    if low < 0 or high >= n_classes:
        raise ValueError(f"target holds classes {low} to {high}; allowed are 0 to {n_classes - 1}")
    if weight is None:
        weight = torch.ones_like(hidden[:, 0])
    return hidden, classes, weight / weight.sum()
