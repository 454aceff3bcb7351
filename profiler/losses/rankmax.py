"""Rankmax loss, the negative log-likelihood reading: one self-contained file, torch only."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Target = Tensor | tuple[Tensor, Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Rankmax(nn.Module):
    """Equals `log sum_j max(s_j - s_y + 1, 0)`, without the B x C scores.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target:

        loss = mean_b [ log S_b ],  S_b = sum_j max(s_bj - s_by + 1, 0), at least 1

    S counts the classes that score within 1 of the target or above it, each by how far: a smooth
    rank, and max(s_j - s_y + 1, 0) / S is the paper's projection, at y equal to 1 / S. The paper
    allows two readings. This is the NLL reading, the negative logarithm of that probability. The
    other, not offered, takes the projection minus e_y as if it were a gradient, with the
    projection's width held fixed; it is the gradient of no function.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B C D) time, three matrix products; 4 C min(B, 128) bytes of scores, at most 128 MiB
    or 16 rows, beside the gradients. Forward computes the gradients too when they are needed, so
    second derivatives do not exist.
    Numerical contract: sums in the dtype of hidden, of 16-bit parameters in float32; scores of
    +-1e4 stay finite; the gradient jumps where a score is just 1 below the target's.

    Raises ValueError: a size below its minimum, target out of range, hidden not finite.
    NotImplementedError: log_prob.

    Source: Kong, Krichene, Mayoraz, Rendle & Zhang 2020, "Rankmax: an adaptive projection
    alternative to the softmax function" (abstract read; the formula is recalled and derived).

    >>> layer = Rankmax(2, 3, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # log 3: three equal scores
    1.0986
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

    def forward(self, hidden: Tensor, target: Target) -> Tensor:
        """The mean loss of a batch, a scalar."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: Tensor = _ChunkedRankmax.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: Tensor) -> Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Always refused."""
        raise NotImplementedError(
            "rankmax has no probabilities: those of a row depend on its target, which is not "
            "known when classes are ranked; use softmax, or sparsemax for sparse ones"
        )


class _ChunkedRankmax(torch.autograd.Function):
    """Loss and gradients in one pass over chunks of rows, each chunk's scores used in place."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        classes: Tensor,
        row_weight: Tensor,
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        needs_gradient = any(ctx.needs_input_grad)
        ctx.dtype, dtype = hidden.dtype, torch.promote_types(hidden.dtype, torch.float32)
        hidden, row_weight, weight = (x.detach().to(dtype) for x in (hidden, row_weight, weight))
        bias = None if bias is None else bias.detach().to(dtype)
        n_rows, n_classes = len(hidden), len(weight)
        chunk = min(n_rows, 128, max(16, 2**25 // n_classes))
        buffer = hidden.new_empty(chunk, n_classes)
        loss = hidden.new_zeros(())
        hidden_grad, weight_grad = torch.zeros_like(hidden), torch.zeros_like(weight)
        bias_grad = None if bias is None else torch.zeros_like(bias)
        for start in range(0, n_rows, chunk):
            rows = slice(start, start + chunk)
            h, y, a = hidden[rows], classes[rows, None], row_weight[rows, None]
            s = torch.mm(h, weight.t(), out=buffer[: len(h)])
            if bias is not None:
                s += bias
            total = torch.empty_like(a)
            n_near = torch.empty_like(a)
            slice_rows = max(1, CACHE // n_classes)
            for first in range(0, len(h), slice_rows):
                part = slice(first, first + slice_rows)
                x = s[part].sub_(s[part].gather(1, y[part]) - 1).clamp_min_(0)
                torch.sum(x, 1, keepdim=True, out=total[part])
                torch.sum(x.sign_(), 1, keepdim=True, out=n_near[part])
            total.clamp_min_(1)  # but for rounding it is
            loss += (a * total.log()).sum()
            if needs_gradient:
                # s is now 1 where the class is near or above the target: a / S times it, and the
                # target's entry less their number
                s.scatter_add_(1, y, -n_near)
                share = a / total
                torch.mm(s, weight, out=hidden_grad[rows]).mul_(share)
                weight_grad.addmm_(s.t(), h * share)
                if bias_grad is not None:
                    bias_grad.addmv_(s.t(), share[:, 0])
        if needs_gradient:
            ctx.gradients = hidden_grad, weight_grad, bias_grad
        return loss.to(ctx.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("rankmax has first derivatives only; create_graph must be False")
        if ctx.gradients is None:
            raise RuntimeError("this loss's backward ran already; run forward again")
        gradients = ctx.gradients
        ctx.gradients = None  # scaled in place: no second copy of the class gradients
        if grad_outputs[0] != 1:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(grad_outputs[0].to(gradient.dtype))
        hidden_grad, weight_grad, bias_grad = (
            None if g is None else g.to(ctx.dtype) for g in gradients
        )
        return hidden_grad, None, None, weight_grad, bias_grad


CACHE = 2**18  # scores that several passes are made over while they are in the cache


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
