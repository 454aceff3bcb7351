"""Sampled softmax with the log q correction: one self-contained file, torch only."""

import math
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss
CHUNK_SCORES = 2**18  # at a time: 1 MB of float32 stays in a core's cache


class Proposal(Protocol):
    """How negatives are drawn, with replacement, and the log of each class's chance.

    Two kinds say more: with a true `in_batch` the layer takes the targets of the batch's other
    rows in place of draws; with a `pool_size` it takes the highest-scoring of that many draws.
    """

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor: ...
    def log_q(self, ids: torch.Tensor) -> torch.Tensor: ...


class SampledSoftmax(nn.Module):
    """Equals softmax in its optimum, without the scores of all but K drawn classes.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); S = K classes drawn from the proposal q with
    replacement, hits of the target kept but for "importance"; t = s with the correction

        loss = mean_b [ log(exp(t_by) + sum_{j in S} exp(t_bj)) - t_by ]

    correction "both":        t = s - log q, on both terms: optimum s = log p + c for any K
    correction "importance":  t_y = s_y, t_j = s_j - log(k q_j / (1 - q_y)) over the k draws
                              j != y, an unbiased estimate of softmax's sum: log p as K grows
    correction "none":        t = s: optimum s = log(p / q) + c, wrong order unless q is uniform

    negatives "shared":       one S for all rows
    negatives "per_row":      a set S_b of its own for each row

    A proposal with `in_batch` makes S_b the targets of the batch's other rows, q their frequency
    in training, and K is not used; a class that is no target of training is then never drawn,
    and its score means nothing. One with `pool_size` P makes S_b the K highest-scoring of P
    shared draws, each class once and the row's own left out; it has no log q and takes "none".

    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B K D) time and 4 B K bytes of scores, 4 B K D more with "per_row", whatever C is (K
    is B in-batch, P from a pool); gradients are sparse: only the rows of the targets and of the
    draws are touched, if the optimiser is row-wise too.
    Numerical contract: sums in the dtype of hidden, at least float32; scores of +-1e4 stay
    finite. Draws come from `generator` only (torch's default one where it is None).
    First derivatives only with shared draws.

    Raises ValueError: a size below its minimum, more negatives than classes or than the pool, a
    correction without log q, negatives "per_row" in-batch or from a pool, target out of range,
    hidden not finite.

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
        negatives: str = "shared",
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
            n_negatives = min(512, n_classes, getattr(proposal, "pool_size", n_classes))
        if not 1 <= n_negatives <= n_classes:
            raise ValueError(f"n_negatives={n_negatives}; allowed are 1 to {n_classes} classes")
        if negatives not in ("shared", "per_row"):
            raise ValueError(f"negatives={negatives!r}; allowed are 'shared', 'per_row'")
        if correction not in ("both", "none", "importance"):
            raise ValueError(f"correction={correction!r}; allowed are 'both', 'none', 'importance'")
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.proposal = proposal or _Uniform(n_classes)
        self.in_batch: bool = getattr(self.proposal, "in_batch", False)
        self.pool_size: int | None = getattr(self.proposal, "pool_size", None)
        if correction != "none" and getattr(self.proposal, "log_q", None) is None:
            raise ValueError(f"correction={correction!r} needs a proposal with log q; use 'none'")
        if negatives == "per_row" and (self.in_batch or self.pool_size is not None):
            raise ValueError(
                "negatives='per_row' has no sense in-batch or from a pool: use 'shared'"
            )
        if self.pool_size is not None and n_negatives > self.pool_size:
            raise ValueError(
                f"n_negatives={n_negatives}; allowed are 1 to the pool, {self.pool_size}"
            )
        self.n_classes = n_classes
        self.n_negatives = n_negatives
        self.negatives = negatives
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
        drawn = self._draw(classes)
        left_out = self._left_out(target, classes, drawn)
        if drawn.ndim == 1 and left_out is None:
            return self._plain(hidden, classes, drawn, row_weight)
        positive, negative = self._scores_of(hidden, classes, drawn)
        if self.correction == "importance" and left_out is not None:
            negative = negative + self._log_mean(classes, left_out)
        if left_out is not None:
            negative = negative.masked_fill(left_out, -math.inf)
        if self.pool_size is not None:
            negative = negative.topk(min(self.n_negatives, len(drawn)), dim=1, sorted=False).values
        total = torch.logaddexp(negative.logsumexp(1), positive)
        return (row_weight * (total - positive)).sum()

    def _draw(self, classes: torch.Tensor) -> torch.Tensor:
        """The negatives, [K] for all rows or [E, K]; the batch's own classes[E] in-batch."""
        if self.in_batch:
            return classes
        shape = (self.pool_size or self.n_negatives,)
        if self.negatives == "per_row":
            shape = (len(classes), self.n_negatives)
        drawn = self.proposal.sample(math.prod(shape), self.generator).to(classes.device)
        return drawn.view(shape) if self.pool_size is None else drawn.unique()

    def _plain(
        self,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        drawn: torch.Tensor,
        row_weight: torch.Tensor,
    ) -> torch.Tensor:
        """The loss where every draw counts for every row."""
        ids, n = torch.cat((classes, drawn)), len(classes)
        own, weight = self.weight_rows(ids).split((n, len(drawn)))
        offset = self._offset(ids, n)
        positive = _widened((hidden * own).sum(1)) + offset[:n]
        loss: torch.Tensor = _InChunks.apply(
            _log_total, hidden, weight, offset[n:], positive, row_weight
        )
        return loss

    def _scores_of(
        self, hidden: torch.Tensor, classes: torch.Tensor, drawn: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """t of each example's class[E] and of its draws[E, K], in float32 at least."""
        n = len(classes)
        if drawn.ndim == 2:
            ids = torch.cat((classes[:, None], drawn), dim=1)
            score = _widened(torch.bmm(self.weight_rows(ids), hidden[:, :, None])[:, :, 0])
            score = score + self._offset(ids, 1)
            return score[:, 0], score[:, 1:]
        ids = torch.cat((classes, drawn))
        offset = self._offset(ids, n)
        weight = self.weight_rows(classes if self.in_batch else ids)
        positive = _widened((hidden * weight[:n]).sum(1)) + offset[:n]
        return positive, _scores(hidden, weight[-len(drawn) :], offset[n:])

    def _offset(self, ids: torch.Tensor, n_positives: int) -> torch.Tensor:
        """What is added to the inner products of `ids`, positives first: bias and correction."""
        if self.correction == "none":
            offset = torch.zeros(ids.shape, device=ids.device)
        else:
            offset = -self.proposal.log_q(ids)
        if self.correction == "importance":
            offset[..., :n_positives] = 0
        return offset if self.bias_rows is None else offset + self.bias_rows(ids)[..., 0]

    def _left_out(
        self, target: Target, classes: torch.Tensor, drawn: torch.Tensor
    ) -> torch.Tensor | None:
        """Which draws do not count for an example, [E, K]; None where all of them do."""
        left_out = None
        if self.correction == "importance" or self.pool_size is not None:
            left_out = drawn == classes[:, None]
        if self.in_batch:
            same_row = _same_row(target)
            left_out = same_row if left_out is None else left_out | same_row
        return left_out

    def _log_mean(self, classes: torch.Tensor, left_out: torch.Tensor) -> torch.Tensor:
        """What makes the draws that are left draws from q over j != y, and their sum a mean."""
        n_left = (~left_out).sum(1, keepdim=True).clamp_min(1)
        others = -torch.expm1(self.proposal.log_q(classes))
        # In float32 a class can have all of q
        return others.clamp_min(torch.finfo(torch.float32).eps).log()[:, None] - n_left.log()

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]; log q is never added back."""
        bias = None if self.bias_rows is None else self.bias_rows.weight[:, 0]
        return F.linear(hidden, self.weight_rows.weight, bias)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]; with correction "none" only under a uniform proposal."""
        if self.correction == "none" and not self._is_uniform():
            raise NotImplementedError(
                "sampled_softmax has no probabilities with correction 'none': its scores are "
                "log(p / q), from a pool of unknown q; use correction 'both'"
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


def _same_row(target: Target) -> torch.Tensor:
    """Whether two examples are positives of one row of the batch, [E, E]."""
    if not isinstance(target, tuple):
        return torch.eye(len(target), dtype=torch.bool, device=target.device)
    counts = target[1].diff()
    row = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    return row[:, None] == row


def _log_total(
    scores: torch.Tensor, positive: torch.Tensor, row_weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A chunk's loss, its gradient for `positive`, and for the scores in their place."""
    top = torch.maximum(scores.amax(1), positive)
    total = scores.sub_(top[:, None]).exp_().sum(1)
    own = (positive - top).exp()
    total += own
    scores *= (row_weight / total)[:, None]
    loss = (row_weight * (total.log() + (top - positive))).sum()
    return loss, row_weight * (own / total - 1)


def _scores(hidden: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """hidden weight^T + offset, [E, K]; in float32 where hidden is narrower."""
    if hidden.dtype in (torch.float32, torch.float64):
        return torch.addmm(offset.to(hidden.dtype), hidden, weight.t())
    return _widened(hidden @ weight.t()) + offset


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
