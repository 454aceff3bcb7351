"""Softmax cross-entropy over all classes, in row chunks: one self-contained file, torch only."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Softmax(nn.Module):
    """Equals `cross_entropy(linear(hidden, weight, bias), target)`, without the B x C logits.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target:

        loss = mean_b [ log sum_j exp(s_bj) - s_by ]

    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B C D) time, three matrix products; 4 C min(B, 256) bytes of scores, at most 128 MiB
    or 16 rows, beside the gradients. Forward computes the gradients too when they are needed, so
    second derivatives do not exist. No slower on CPU than torch's own chunked form
    (`torch.nn.functional.linear_cross_entropy`), which has no weights per row.
    Numerical contract: sums in the dtype of hidden; scores of +-1e4 stay finite.

    Raises ValueError: a size below its minimum, target out of range, hidden not finite.

    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network
    outputs".

    >>> layer = Softmax(2, 3, bias=False)
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

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: torch.Tensor = _ChunkedCrossEntropy.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]."""
        return F.log_softmax(self.scores(hidden), dim=1)


class _ChunkedCrossEntropy(torch.autograd.Function):
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
            rows = slice(start, start + chunk)
            h, y, a = hidden[rows], classes[rows, None], row_weight[rows, None]
            s = torch.mm(h, weight.t(), out=buffer[: len(h)])
            if bias is not None:
                s += bias
            s -= s.amax(1, keepdim=True)
            s_target = s.gather(1, y)
            total = s.exp_().sum(1, keepdim=True)
            loss += (a * (total.log() - s_target)).sum()
            if needs_gradient:
                s *= a / total
                s.scatter_add_(1, y, -a)
                torch.mm(s, weight, out=hidden_grad[rows])
                weight_grad.addmm_(s.t(), h)
                if bias_grad is not None:
                    bias_grad += s.sum(0)
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
