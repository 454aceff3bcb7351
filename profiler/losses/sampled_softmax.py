"""Sampled softmax with the log q correction: one self-contained file, torch only."""

import math
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Proposal(Protocol):
    """How negatives are drawn, with replacement, and the log of each class's chance."""

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor: ...
    def log_q(self, ids: torch.Tensor) -> torch.Tensor: ...


class SampledSoftmax(nn.Module):
    """Equals softmax in its optimum, without the scores of all but K drawn classes.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); S = K classes drawn from the proposal q with
    replacement, shared by the rows, hits of the target kept but for "importance"; t = s with the
    correction

        loss = mean_b [ log(exp(t_by) + sum_{j in S} exp(t_bj)) - t_by ]

    correction "both":        t = s - log q, on both terms: optimum s = log p + c for any K
    correction "importance":  t_y = s_y, t_j = s_j - log(k q_j / (1 - q_y)) over the k draws
                              j != y, an unbiased estimate of softmax's sum: log p as K grows
    correction "none":        t = s: optimum s = log(p / q) + c, wrong order unless q is uniform

    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B K D) time and 4 B K bytes of scores, whatever C is; gradients are sparse: only the
    rows of the targets and of S are touched, if the optimiser is row-wise too.
    Numerical contract: sums in the dtype of hidden; scores of +-1e4 stay finite. Draws come from
    `generator` only (torch's default one where it is None).

    Raises ValueError: a size below its minimum, more negatives than classes, a correction
    without log q, target out of range, hidden not finite.

    Source: Bengio & Senecal 2008 (importance); Ma & Collins 2018, ranking objective ("both").

    >>> layer = SampledSoftmax(2, 4, bias=False, n_negatives=4)
    >>> _ = nn.init.constant_(layer.weight_rows.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # log 5: the target and four draws, equal scores
    1.6094
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        n_negatives: int | None = None,
        proposal: Proposal | None = None,
        correction: str = "both",
        positives_weight: str = "each",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if n_negatives is None:
            n_negatives = min(512, n_classes)
        if not 1 <= n_negatives <= n_classes:
            raise ValueError(f"n_negatives={n_negatives}; allowed are 1 to {n_classes} classes")
        if correction not in ("both", "none", "importance"):
            raise ValueError(f"correction={correction!r}; allowed are 'both', 'none', 'importance'")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.proposal = proposal or _Uniform(n_classes)
        if correction != "none" and getattr(self.proposal, "log_q", None) is None:
            raise ValueError(f"correction={correction!r} needs a proposal with log q; use 'none'")
        self.n_classes = n_classes
        self.n_negatives = n_negatives
        self.correction = correction
        self.positives_weight = positives_weight
        self.generator = generator
        self.weight_rows = nn.Embedding(n_classes, in_features, sparse=True)
        nn.init.normal_(self.weight_rows.weight, std=INIT_STD)
        self.bias_rows = nn.Embedding(n_classes, 1, sparse=True) if bias else None
        if self.bias_rows is not None:
            nn.init.zeros_(self.bias_rows.weight)

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        drawn = self.proposal.sample(self.n_negatives, self.generator).to(hidden.device)
        ids = torch.cat((classes, drawn))
        weight = self.weight_rows(ids)
        offset = self._offset(ids, len(classes)).to(hidden.dtype)
        if self.bias_rows is not None:
            offset = offset + self.bias_rows(ids)[:, 0]
        n = len(classes)
        positive = (hidden * weight[:n]).sum(1) + offset[:n]
        negative = torch.addmm(offset[n:], hidden, weight[n:].t())
        if self.correction == "importance":
            negative = self._without_hits(negative, classes, drawn)
        total = torch.logaddexp(negative.logsumexp(1), positive)
        return (row_weight * (total - positive)).sum()

    def _offset(self, ids: torch.Tensor, n_positives: int) -> torch.Tensor:
        """What the correction adds to the scores of `ids`: the positives, then the draws."""
        if self.correction == "none":
            return torch.zeros(len(ids), device=ids.device)
        offset = -self.proposal.log_q(ids)
        if self.correction == "importance":
            offset[:n_positives] = 0
        return offset

    def _without_hits(
        self, negative: torch.Tensor, classes: torch.Tensor, drawn: torch.Tensor
    ) -> torch.Tensor:
        """The draws other than the row's own class, as draws from q over j != y, and their mean."""
        hits = drawn[None, :] == classes[:, None]
        n_left = (~hits).sum(1, keepdim=True).clamp_min(1)
        others = torch.log1p(-self.proposal.log_q(classes).exp())[:, None] - n_left.log()
        return (negative + others.to(negative.dtype)).masked_fill(hits, -math.inf)

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]; log q is never added back."""
        bias = None if self.bias_rows is None else self.bias_rows.weight[:, 0]
        return F.linear(hidden, self.weight_rows.weight, bias)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]; with correction "none" only under a uniform proposal."""
        if self.correction == "none" and not self._is_uniform():
            raise NotImplementedError(
                "sampled_softmax has no probabilities with correction 'none': its scores are "
                "log(p / q); use correction 'both'"
            )
        return F.log_softmax(self.scores(hidden), dim=1)

    def _is_uniform(self) -> bool:
        if getattr(self.proposal, "log_q", None) is None:
            return False
        every = torch.arange(self.n_classes, device=self.weight_rows.weight.device)
        low, high = self.proposal.log_q(every).aminmax()
        return bool(high - low < 1e-6)


class _Uniform:
    """Every class with the same chance."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        device = None if generator is None else generator.device
        return torch.randint(self.n_classes, (n,), generator=generator, device=device)

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.full(ids.shape, -math.log(self.n_classes), device=ids.device)


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
