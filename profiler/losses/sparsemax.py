"""Sparsemax loss with an exact threshold and no sort: one self-contained file, torch only."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.1  # of the class weights, the same for every loss


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

    Cost: O(B C D) time, one matrix product where A is small (three where it is not); 4 C min(B,
    256) bytes of scores, at most 128 MiB or 16 rows, beside the gradients. Forward computes the
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
        scores = scores - scores.amax(1, keepdim=True)
        threshold = _support(scores)[3]
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
        chunk = min(n_rows, 256, max(16, 2**25 // n_classes))
        buffer = hidden.new_empty(chunk, n_classes)
        loss = hidden.new_zeros(())
        needs_gradient = any(ctx.needs_input_grad)
        hidden_grad, weight_grad = torch.zeros_like(hidden), torch.zeros_like(weight)
        bias_grad = None if bias is None else torch.zeros_like(bias)
        for start in range(0, n_rows, chunk):
            part = slice(start, start + chunk)
            h, y, a = hidden[part], classes[part], row_weight[part]
            s = torch.mm(h, weight.t(), out=buffer[: len(h)])
            if bias is not None:
                s += bias
            s -= s.amax(1, keepdim=True)  # the loss does not change, its precision does
            s_target = s.gather(1, y[:, None])[:, 0]
            support = _support(s)
            rows, columns, excess, threshold = support
            # s^2 - tau^2 = (s - tau)(s - tau + 2 tau), and the excesses sum to 1
            square = torch.zeros_like(a).scatter_add_(0, rows, excess.square())
            loss += (a * (square / 2 + threshold + 0.5 - s_target)).sum()
            if needs_gradient:
                # The gradient in s, with the target's -a as one more entry at the end of its row
                rows = torch.cat((rows, torch.arange(len(h), device=h.device)))
                columns, values = (
                    torch.cat((columns, y)),
                    torch.cat((excess * a[rows[: len(excess)]], -a)),
                )
                if bias_grad is not None:
                    bias_grad.scatter_add_(0, columns, values)
                if len(values) * DENSE_ABOVE > s.numel():
                    s.zero_().view(-1).scatter_add_(0, rows * n_classes + columns, values)
                    torch.mm(s, weight, out=hidden_grad[part])
                    weight_grad.addmm_(s.t(), h)
                else:
                    _add_rows(hidden_grad[part], rows, columns, values, weight)
                    _add_rows(weight_grad, columns, rows, values, h)
        if needs_gradient:
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


DENSE_ABOVE = 50  # scores per entry of the support, below which dense products are faster
BLOCK = 32  # scores of which only the maximum is looked at first


def _support(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Row, column and s - tau of every score above its row's tau, and tau; row maxima must be 0.

    The threshold of a few scores (block maxima) is at most that of all; Newton's method from
    there rises to the exact one and ends when no more score falls below.
    """
    n_rows, n_classes = s.shape
    whole = n_classes // BLOCK * BLOCK
    few = s[:, :whole].view(n_rows, -1, BLOCK).amax(2) if whole else s
    few = few.topk(min(BLOCK, few.shape[1])).values
    count = torch.arange(1, few.shape[1] + 1, device=s.device, dtype=s.dtype)
    threshold = ((few.cumsum(1) - 1) / count).amax(1)
    rows, columns = (s > threshold[:, None]).nonzero(as_tuple=True)
    value = s[rows, columns]
    while True:
        size = torch.bincount(rows, minlength=n_rows)
        total = torch.zeros_like(threshold).scatter_add_(0, rows, value)
        threshold = (total - 1) / size
        inside = value > threshold[rows]
        if inside.all():
            return rows, columns, value - threshold[rows], threshold
        rows, columns, value = rows[inside], columns[inside], value[inside]


def _add_rows(
    out: torch.Tensor,
    to: torch.Tensor,
    source: torch.Tensor,
    values: torch.Tensor,
    matrix: torch.Tensor,
) -> None:
    """out[to] += values * matrix[source], every row of `out` written once."""
    order = to.argsort(stable=True)
    unique, counts = to[order].unique_consecutive(return_counts=True)
    sums = F.embedding_bag(
        source[order],
        matrix,
        counts.cumsum(0) - counts,
        mode="sum",
        per_sample_weights=values[order],
    )
    out[unique] += sums


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
