"""BPR, the pairwise logistic loss: one self-contained file, torch only."""

import math
from typing import Any, NoReturn, Protocol

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss
CHUNK_SCORES = 2**18  # at a time: 1 MB of float32 stays in a core's cache


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
    First derivatives only with shared draws.

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
        drawn = self._draw(len(classes))
        if self.negatives == "shared":
            return self._shared(hidden, classes, drawn, row_weight)
        positive, negative = self._row_scores(hidden, classes, drawn)
        per_row = F.softplus(negative - positive[:, None]).mean(1)
        return (row_weight * per_row).sum()

    def _draw(self, n_rows: int) -> torch.Tensor:
        """Classes from the proposal: [K] for all rows, or [E, K]."""
        shape = (self.n_negatives,) if self.negatives == "shared" else (n_rows, self.n_negatives)
        drawn = self.proposal.sample(math.prod(shape), self.generator)
        return drawn.view(shape).to(self.weight_rows.weight.device)

    def _shared(
        self,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        drawn: torch.Tensor,
        row_weight: torch.Tensor,
    ) -> torch.Tensor:
        """The loss where all rows have the same draws[K]."""
        ids, n = torch.cat((classes, drawn)), len(classes)
        own, weight = self.weight_rows(ids).split((n, len(drawn)))
        offset = self._bias(ids)
        positive = _widened((hidden * own).sum(1)) + offset[:n]
        loss: torch.Tensor = _InChunks.apply(
            _pairwise, hidden, weight, offset[n:], positive, row_weight
        )
        return loss

    def _row_scores(
        self, hidden: torch.Tensor, classes: torch.Tensor, drawn: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of each example's class[E] and of its own draws[E, K], in float32 at least."""
        ids = torch.cat((classes[:, None], drawn), dim=1)
        # Few draws a row: the products summed are faster than a batch of matrix products
        score = _widened((self.weight_rows(ids) * hidden[:, None]).sum(2)) + self._bias(ids)
        return score[:, 0], score[:, 1:]

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


def _pairwise(
    scores: torch.Tensor, positive: torch.Tensor, row_weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A chunk's loss, its gradient for `positive`, and for the scores in their place."""
    scores -= positive[:, None]
    share = row_weight / scores.shape[1]
    loss = (share * _softplus_sum(scores)).sum()
    scores *= share[:, None]
    return loss, -scores.sum(1)


def _softplus_sum(scores: torch.Tensor) -> torch.Tensor:
    """sum_j log(1 + exp(scores_j)) of each row; sigmoid(scores) takes the scores' place.

    One exponential serves both, and one logarithm 16 factors, where their product stays finite:
    exact to about 1e-7 a class in float32.
    """
    if scores.amax() > 5:  # (1 - sigmoid(5))^16 is near the least float32
        total = F.softplus(scores).sum(1)
        scores.sigmoid_()
        return total
    scores.sigmoid_()
    half = (scores.shape[1] + 1) // 2
    factor, right = 1 - scores[:, :half], scores[:, half:]
    paired = factor[:, : right.shape[1]]
    paired.addcmul_(paired, right, value=-1)  # (1 - left) (1 - right)
    for _ in range(3):
        half = (factor.shape[1] + 1) // 2
        factor[:, : factor.shape[1] - half] *= factor[:, half:]
        factor = factor[:, :half]
    return -factor.log().sum(1)


class _InChunks(torch.autograd.Function):
    """A loss of the scores hidden weight^T + offset, and its gradients, by chunks of rows.

    `head(scores[R, K], positive[R], row_weight[R])` returns the chunk's loss and the gradient for
    `positive`, and leaves the gradient for the scores in their place: there is no [E, K] buffer,
    and a chunk stays in the cache from its matrix product to those of its gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        head: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        offset: torch.Tensor,
        positive: torch.Tensor,
        row_weight: torch.Tensor,
    ) -> torch.Tensor:
        loss, offset_grad = positive.new_zeros(()), torch.zeros_like(offset)
        hidden_grad, positive_grad = torch.empty_like(hidden), torch.empty_like(positive)
        weight_grad = torch.zeros_like(weight, dtype=positive.dtype)
        n_rows = min(len(hidden), max(16, CHUNK_SCORES // len(weight)))
        buffer = hidden.new_empty(n_rows, len(weight))
        for start in range(0, len(hidden), n_rows):
            rows = slice(start, start + n_rows)
            h = hidden[rows]
            scores = _widened(torch.mm(h, weight.t(), out=buffer[: len(h)])).add_(offset)
            part, positive_grad[rows] = head(scores, positive[rows], row_weight[rows])
            loss += part
            offset_grad += scores.sum(0)
            scores = scores.to(hidden.dtype)
            torch.mm(scores, weight, out=hidden_grad[rows])
            weight_grad += scores.t() @ h
        ctx.gradients = hidden_grad, weight_grad.to(weight.dtype), offset_grad, positive_grad
        return loss

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("shared draws: first derivatives only; create_graph must be False")
        return None, *(gradient * grad_outputs[0] for gradient in ctx.gradients), None


def _widened(scores: torch.Tensor) -> torch.Tensor:
    """At least float32: a bfloat16 of 10 is off by up to .03."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _examples(
    hidden: torch.Tensor, target: Target, n_classes: int, positives_weight: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
    if hidden.ndim != 2 or not hidden.is_floating_point():
        shape = f"{tuple(hidden.shape)} of {hidden.dtype}"
        raise ValueError(f"hidden is {shape}; a floating-point matrix [B, D] is allowed")
    # Of finite numbers the sum alone is asked, at a tenth of the time; it may overflow
    if not (torch.isfinite(hidden.sum()) or torch.isfinite(hidden).all()):
        raise ValueError("hidden must be finite; it holds NaN or infinity")
    classes, weight = target, None
    if isinstance(classes, (tuple, list)):
        classes, offsets = classes
        counts = offsets.diff()
        is_whole = not (offsets.is_floating_point() or offsets.is_complex())
        fits = is_whole and len(offsets) == len(hidden) + 1
        if not fits or (counts < 0).any() or int(offsets[0]) != 0:
            raise ValueError(f"offsets must rise from 0 and hold {len(hidden)} + 1 whole numbers")
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
