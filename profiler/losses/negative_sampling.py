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
    drawn from the proposal q with replacement, hits of the target kept:

        loss = mean_b [ -beta log sigmoid(s_by) - sum_{j in S} log sigmoid(-s_bj) ]

    negatives "shared": one S for all rows; "per_row": a set S_b of its own for each.
    gBCE raises the target's probability to the power beta = a (t (1 - 1/a) + 1/a), which is
    1 - t (1 - a), where a = K / (C - 1), at most 1, is the rate of sampling and t the setting
    `calibration`; 0, the default, is plain binary cross-entropy. The optimum, where
    beta p (1 - sigmoid(s)) = K q sigmoid(s), is s = log(p / q) - log(K / beta): the order of p
    only if q is uniform; then with t = 1 it is log p + log(C / (C - 1)), so that sigmoid(s) is
    near p where p is small. Biases start at -log(K / beta).
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B K D) time and 4 B K bytes of scores, 4 B K D more with "per_row", whatever C is;
    gradients are sparse: only the rows of the targets and of the draws are touched, if the
    optimiser is row-wise too.
    Numerical contract: sums in the dtype of hidden, at least float32; scores of +-1e4 stay
    finite. Draws come from `generator` only (torch's default one where it is None).

    Raises ValueError: a size below its minimum, more negatives than classes, calibration not
    within 0 to 1, target out of range, hidden not finite.

    Source: Mikolov et al. 2013, section 2.2; optimum: Levy & Goldberg 2014; gBCE: Petrov &
    Macdonald 2023, gSASRec.

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
        negatives: str = "shared",
        calibration: float = 0.0,
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
        if negatives not in ("shared", "per_row"):
            raise ValueError(f"negatives={negatives!r}; allowed are 'shared', 'per_row'")
        if not 0 <= calibration <= 1:
            raise ValueError(f"calibration={calibration}; allowed are 0 to 1")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.proposal = proposal or _Uniform(n_classes)
        self.n_classes = n_classes
        self.n_negatives = n_negatives
        self.negatives = negatives
        self.beta = 1 - calibration * (1 - min(1.0, n_negatives / (n_classes - 1)))
        self.positives_weight = positives_weight
        self.generator = generator
        self.weight_rows = nn.Embedding(n_classes, in_features, sparse=True)
        nn.init.normal_(self.weight_rows.weight, std=INIT_STD)
        self.bias_rows = nn.Embedding(n_classes, 1, sparse=True) if bias else None
        if self.bias_rows is not None:
            # The optimum of a class with p = q: else K negatives first push every score down
            nn.init.constant_(self.bias_rows.weight, math.log(self.beta / n_negatives))

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        positive, negative = self._scores_of(hidden, classes, self._draw(len(classes)))
        per_row = self.beta * F.softplus(-positive) + F.softplus(negative).sum(1)
        return (row_weight * per_row).sum()

    def _draw(self, n_rows: int) -> torch.Tensor:
        """Classes from the proposal: [K] for all rows, or [E, K]."""
        shape = (self.n_negatives,) if self.negatives == "shared" else (n_rows, self.n_negatives)
        drawn = self.proposal.sample(math.prod(shape), self.generator)
        return drawn.view(shape).to(self.weight_rows.weight.device)

    def _scores_of(
        self, hidden: torch.Tensor, classes: torch.Tensor, drawn: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of each example's class[E] and of its draws[E, K], in float32 at least."""
        n = len(classes)
        if drawn.ndim == 2:
            ids = torch.cat((classes[:, None], drawn), dim=1)
            score = _widened(torch.bmm(self.weight_rows(ids), hidden[:, :, None])[:, :, 0])
            score = score + self._bias(ids)
            return score[:, 0], score[:, 1:]
        ids = torch.cat((classes, drawn))
        weight, bias = self.weight_rows(ids), self._bias(ids)
        positive = _widened((hidden * weight[:n]).sum(1)) + bias[:n]
        return positive, _scores(hidden, weight[n:], bias[n:])

    def _bias(self, ids: torch.Tensor) -> torch.Tensor:
        if self.bias_rows is None:
            return self.weight_rows.weight.new_zeros(ids.shape)
        return self.bias_rows(ids)[..., 0]

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


def _scores(hidden: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """hidden weight^T + offset, [E, K]; in float32 where hidden is narrower."""
    if hidden.dtype in (torch.float32, torch.float64):
        return torch.addmm(offset.to(hidden.dtype), hidden, weight.t())
    return _widened(hidden @ weight.t()) + offset


def _widened(scores: torch.Tensor) -> torch.Tensor:
    """At least float32: a bfloat16 of 10 is off by up to .03."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


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
