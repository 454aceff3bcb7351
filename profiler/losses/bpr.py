"""BPR, the pairwise logistic loss: one self-contained file, torch only."""

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


class Bpr(nn.Module):
    """Equals the logistic loss on pairs, without the scores of all but K drawn classes a row.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target, S_b = K
    classes drawn from the proposal q, hits of the target kept:

        loss = mean_b mean_{j in S_b} [ -log sigmoid(s_by - s_bj) ]

    negatives "per_row": a set S_b of its own for each row; "shared": one for all rows.
    The optimum for one positive a row is s = log(p / q) + c: the order of p only if q is uniform.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B K D) time and bytes, O(B K) bytes with "shared", whatever C is; gradients are
    sparse: only the rows of the targets and of the draws are touched, if the optimiser is
    row-wise too.
    Numerical contract: sums in the dtype of hidden, at least float32; scores of +-1e4 stay
    finite. Draws come from `generator` only (torch's default one where it is None).

    Raises ValueError: a size below its minimum, more negatives than classes, target out of
    range, hidden not finite.

    Source: Rendle et al. 2009, "BPR: Bayesian personalized ranking from implicit feedback".

    >>> layer = Bpr(2, 4, bias=False)
    >>> _ = nn.init.constant_(layer.weight_rows.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # log 2: equal scores
    0.6931
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        n_negatives: int = 1,
        negatives: str = "per_row",
        proposal: Proposal | None = None,
        positives_weight: str = "each",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if not 1 <= n_negatives <= n_classes:
            raise ValueError(f"n_negatives={n_negatives}; allowed are 1 to {n_classes} classes")
        if negatives not in ("shared", "per_row"):
            raise ValueError(f"negatives={negatives!r}; allowed are 'shared', 'per_row'")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.proposal = proposal or _Uniform(n_classes)
        self.n_classes = n_classes
        self.n_negatives = n_negatives
        self.negatives = negatives
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
        positive, negative = self._scores_of(hidden, classes, self._draw(len(classes)))
        per_row = F.softplus(negative - positive[:, None]).mean(1)
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
            # Few draws a row: the products summed are faster than a batch of matrix products
            score = _widened((self.weight_rows(ids) * hidden[:, None]).sum(2)) + self._bias(ids)
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
        """Raises: only differences of scores mean something."""
        raise NotImplementedError("bpr has no probabilities: only differences of scores are fitted")


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
