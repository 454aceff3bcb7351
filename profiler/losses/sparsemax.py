"""Sparsemax loss with an exact threshold and no sort: one self-contained file, torch only."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Sparsemax(nn.Module):
    """Equals the sparsemax loss over all scores, without a sort and without the B x C scores.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target, tau the
    threshold with sum_j max(s_j - tau, 0) = 1, A = {j: s_j > tau}:

        loss = mean_b [ 1/2 sum_{j in A} (s_bj^2 - tau_b^2) + 1/2 - s_by ]

    Its gradient in s is max(s - tau, 0) - e_y: zero for every negative outside A. Rank by the
    scores: the probabilities of all classes below tau tie at zero.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B C D) time, one matrix product where A is small (three where it is not); 8 C min(B,
    128) bytes of scores, at most 256 MiB or 16 rows, beside the gradients. Forward computes the
    gradients too when they are needed, so second derivatives do not exist.
    Numerical contract: the threshold is exact up to rounding in the dtype of hidden (Newton's
    method on a convex piecewise linear function ends in finitely many steps); scores of +-1e4
    stay finite.

    Raises ValueError: a size below its minimum, target out of range, hidden not finite.

    Source: Martins & Astudillo 2016, "From softmax to sparsemax", equations 1, 17 and 19.

    >>> layer = Sparsemax(2, 4, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # tau = 3 - 1/4: 2 (9 - tau^2) + 1/2 - 3
    0.375
    """

    def __init__(
        self, in_features: int, n_classes: int, *, bias: bool = True, positives_weight: str = "each"
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        self.n_classes = n_classes
        self.positives_weight = positives_weight
        self.weight = nn.Parameter(torch.empty(n_classes, in_features).normal_(std=INIT_STD))
        self.bias = nn.Parameter(torch.zeros(n_classes)) if bias else None

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: torch.Tensor = _ChunkedSparsemax.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]; minus infinity outside the support."""
        scores = self.scores(hidden)
        scores = scores - scores.detach().amax(1, keepdim=True)
        fixed = scores.detach()
        inside = fixed > _newton(fixed, torch.full_like(fixed[:, 0], -1.0))[:, None]
        threshold = ((scores * inside).sum(1) - 1) / inside.sum(1)  # with its gradient
        return (scores - threshold[:, None]).clamp_min(0).log()


class _ChunkedSparsemax(torch.autograd.Function):
    """Loss and gradients in one pass over chunks of rows, each chunk's scores used in place."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        row_weight: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        n_rows, n_classes = len(hidden), len(weight)
        chunk = min(n_rows, 128, max(16, 2**25 // n_classes))
        padded = hidden.new_full((chunk, -(-n_classes // BLOCK) * BLOCK), -torch.inf)
        loss = hidden.new_zeros(())
        hidden_grad, weight_grad = torch.zeros_like(hidden), torch.zeros_like(weight)
        bias_grad = None if bias is None else torch.zeros_like(bias)
        for start in range(0, n_rows, chunk):
            part = slice(start, start + chunk)
            h, y, a = hidden[part], classes[part], row_weight[part]
            s = torch.mm(h, weight.t(), out=padded[: len(h), :n_classes])
            if bias is not None:
                s += bias
            s -= s.amax(1, keepdim=True)  # changes the precision, not the loss
            s_target = s.gather(1, y[:, None])[:, 0]
            threshold, support = _threshold(padded[: len(h)], s)
            if support is None:
                square = (s - threshold[:, None]).clamp_min_(0).square_().sum(1)
            else:
                square = torch.zeros_like(a).scatter_add_(0, support[0], support[2].square())
            # 1/2 sum (s^2 - tau^2) = 1/2 sum (s - tau)^2 + tau, as the s - tau sum to 1
            loss += (a * (square / 2 + threshold + 0.5 - s_target)).sum()
            if not any(ctx.needs_input_grad):
                continue
            if support is None or len(support[0]) * SMALL > s.numel():
                s.sub_(threshold[:, None]).clamp_min_(0).mul_(a[:, None])
                s.scatter_add_(1, y[:, None], -a[:, None])
                torch.mm(s, weight, out=hidden_grad[part])
                weight_grad.addmm_(s.t(), h)
                if bias_grad is not None:
                    bias_grad += s.sum(0)
            else:
                # The gradient in s is sparse: the support, and the target's -a
                rows, columns, excess = support
                values = torch.cat((excess * a.index_select(0, rows), -a))
                rows = torch.cat((rows, torch.arange(len(h), device=h.device)))
                columns = torch.cat((columns, y))
                _add_rows(hidden_grad[part], rows, weight, columns, values)
                _add_rows(weight_grad, columns, h, rows, values)
                if bias_grad is not None:
                    bias_grad.scatter_add_(0, columns, values)
        if any(ctx.needs_input_grad):
            ctx.gradients = hidden_grad, weight_grad, bias_grad
        return loss

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("this loss's backward ran already; run forward again")
        hidden_grad, weight_grad, bias_grad = ctx.gradients
        ctx.gradients = None  # scaled in place: no second copy of the class gradients
        for gradient in (hidden_grad, weight_grad, bias_grad):
            if gradient is not None:
                gradient.mul_(grad_outputs[0])
        return hidden_grad, None, None, weight_grad, bias_grad


BLOCK = 32  # scores of which only the maximum is looked at first
SMALL = 40  # scores per entry of the support, from which gathered products are faster
Support = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _threshold(padded: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, Support | None]:
    """tau[B]; and row, column and s - tau of every score above it, unless they may be many.

    s[B, C] are scores less their row's maximum; `padded` is s with minus infinity up to a
    multiple of BLOCK. The threshold of some of the scores, the maxima of blocks, is at most that
    of all: only blocks that rise above it are looked into, if they are few.
    """
    blocks = padded.view(len(padded), -1, BLOCK)
    peaks = blocks.amax(2)
    threshold = _newton(peaks, peaks.new_full((len(peaks),), -1.0), n_steps=5)
    row, block = (peaks > threshold[:, None]).nonzero(as_tuple=True)
    if len(row) * 3 > peaks.numel():
        return _newton(s, threshold), None
    opened = blocks.reshape(-1, BLOCK).index_select(0, row * peaks.shape[1] + block)
    excess = opened - threshold.index_select(0, row)[:, None]
    at = (excess > 0).view(-1).nonzero()[:, 0]
    value, at_block, at_column = opened.view(-1).index_select(0, at), at // BLOCK, at % BLOCK
    rows = row.index_select(0, at_block)
    return _sparse_newton(rows, block.index_select(0, at_block) * BLOCK + at_column, value, len(s))


def _newton(s: torch.Tensor, threshold: torch.Tensor, n_steps: int = 50) -> torch.Tensor:
    """tau[B] of s[B, C] from a lower bound; ended early, a better lower bound.

    sum_j max(s_j - tau, 0) = 1 is convex and piecewise linear in tau: Newton's method rises to
    its root and is there, up to rounding, in finitely many steps.
    """
    excess = torch.empty_like(s)
    for _ in range(n_steps):
        torch.sub(s, threshold[:, None], out=excess).clamp_min_(0)
        surplus = excess.sum(1) - 1
        threshold = threshold + surplus / excess.sign_().sum(1)  # count_nonzero is far slower
        if surplus.abs().max() < 32 * torch.finfo(s.dtype).eps:
            break
    return threshold


def _sparse_newton(
    rows: torch.Tensor, columns: torch.Tensor, value: torch.Tensor, n_rows: int
) -> tuple[torch.Tensor, Support]:
    """The same from the scores above a lower bound, each step on those still above."""
    while True:
        total = value.new_zeros(n_rows).scatter_add_(0, rows, value)
        threshold = (total - 1) / torch.bincount(rows, minlength=n_rows)
        excess = value - threshold.index_select(0, rows)
        inside = (excess > 0).nonzero()[:, 0]
        if len(inside) == len(excess):
            return threshold, (rows, columns, excess)
        rows, columns, value = (x.index_select(0, inside) for x in (rows, columns, value))


def _add_rows(
    out: torch.Tensor,
    to: torch.Tensor,
    matrix: torch.Tensor,
    ids: torch.Tensor,
    values: torch.Tensor,
) -> None:
    """out[to] += values * matrix[ids], every row of `out` written once."""
    to, order = to.sort(stable=True)
    touched, counts = to.unique_consecutive(return_counts=True)
    sums = F.embedding_bag(
        ids.index_select(0, order),
        matrix,
        counts.cumsum(0) - counts,
        mode="sum",
        per_sample_weights=values.index_select(0, order),
    )
    out.index_add_(0, touched, sums)


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
