"""RG-times, the Taylor form of softmax, by Gram matrices: one self-contained file, torch only."""

from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss
BLOCK_ELEMENTS = 2**18  # of the class weights, for each thread: a block stays in the caches


class Rgx(nn.Module):
    """Equals the quadratic below over all scores, without computing any score but the target's.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target:

        loss = mean_b [ -s_by + mean_j s_bj + 1/2 (mean_j s_bj^2 - (mean_j s_bj)^2) ]

    the second-order Taylor polynomial of softmax cross-entropy at s = 0, less log C. The mean is
    h.c + mean(bias) and the variance h^T G h + 2 h.v + var(bias), with c the mean and G the
    covariance of the class weights, and v their covariance with the biases.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O((B + C) D^2) time and O(C D + B D + D^2) bytes: no B x C product exists, so it is
    cheaper than softmax when D is below about 1.5 B. The scores at the optimum are C p + a
    constant: the same shift of all of a row's scores changes nothing. First derivatives only.
    Numerical contract: sums in the dtype of hidden, of bfloat16 in float32; scores of +-1e4 stay
    finite.

    Raises ValueError: a size below its minimum, target out of range, hidden not finite.

    Source: arXiv 2506.09454 (RG-times; abstract and code read: the code scales the whole Gram
    matrix instead); the Gram form of the Taylor term is derived in the theory notes, 1.5.

    >>> layer = Rgx(2, 4, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # four scores of 3: -3 + 3 + 0
    0.0
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
        """The mean loss of a batch, a scalar; it can be negative."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: torch.Tensor = _CovarianceQuadratic.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: torch.Tensor) -> NoReturn:
        """Raises: the scores' map to probabilities, (1 + s - mean s) / C, can leave the simplex."""
        raise NotImplementedError("rgx has no probabilities: (1 + s - mean s) / C can be below 0")


class _CovarianceQuadratic(torch.autograd.Function):
    """Value and gradients from D x D moments of the classes and of the batch."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        row_weight: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        mean, covariance, cross = _class_moments(weight, bias)
        h, linear = hidden.to(mean.dtype), mean + cross
        constant = mean.new_zeros(())
        target_weight = weight.index_select(0, classes)
        s_target = (h * target_weight).sum(1)
        if bias is not None:
            constant = bias.mean() + bias.var(correction=0) / 2
            s_target += bias.index_select(0, classes)
        # dL/dh per unit of row weight: c + v + G h, less the target's row
        slope = h @ covariance + linear
        half_quadratic = ((slope + linear) * h).sum(1) / 2
        ctx.save_for_backward(h, classes, row_weight, weight, bias, mean, slope - target_weight)
        loss = (row_weight * (half_quadratic - s_target)).sum() + constant
        return loss.to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("rgx has first derivatives only; create_graph must be False")
        (grad,) = grad_outputs
        h, classes, row_weight, weight, bias, mean, hidden_slope = ctx.saved_tensors
        per_row = (row_weight * grad)[:, None]
        weighted = h * per_row
        first, second = weighted.sum(0) / len(weight), h.t() @ weighted / len(weight)
        offset = first - mean @ second  # (1 + s - mean s) h, summed over the batch, at s = 0
        if bias is not None:
            offset -= bias.mean() * first
        first_moment = mean @ first
        first, second, offset = (m.to(weight.dtype) for m in (first, second, offset))
        weight_grad = torch.empty_like(weight)
        bias_grad = None if bias is None else torch.empty_like(bias)
        by_one_and_bias = _one_and_bias(weight, bias)
        constants = offset[None] if bias is None else torch.stack((offset, first))
        for c in _blocks(weight):
            torch.mm(weight[c], second, out=weight_grad[c])
            weight_grad[c].addmm_(by_one_and_bias[c], constants)
            if bias_grad is not None:
                torch.mv(weight[c], first, out=bias_grad[c])
        on_target = -weighted.to(weight.dtype)
        weight_grad.scatter_add_(0, classes[:, None].expand_as(weighted), on_target)
        if bias is not None and bias_grad is not None:
            share = per_row.sum() / len(weight)
            bias_grad += bias * share + (share * (1 - bias.mean()) - first_moment)
            bias_grad.scatter_add_(0, classes, -per_row[:, 0])
        return (hidden_slope * per_row).to(weight.dtype), None, None, weight_grad, bias_grad


def _class_moments(
    weight: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The mean[D] and covariance[D, D] of the class weights, and theirs with the biases[D]."""
    dim, sum_dtype = weight.shape[1], torch.promote_types(weight.dtype, torch.float)
    by_one_and_bias = _one_and_bias(weight, bias).t()
    gram = weight.new_zeros(dim, dim, dtype=sum_dtype)
    linear = weight.new_zeros(2, dim, dtype=sum_dtype)
    for c in _blocks(weight):
        gram += weight[c].t() @ weight[c]
        linear[: len(by_one_and_bias)] += by_one_and_bias[:, c] @ weight[c]
    total, cross = linear
    mean = total / len(weight)
    if bias is not None:
        cross -= bias.sum() * mean
    return mean, gram / len(weight) - torch.outer(mean, mean), cross / len(weight)


def _one_and_bias(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A column of ones and, if there is one, the bias: [C, 1] or [C, 2]."""
    one = torch.ones_like(weight[:, 0])
    return one[:, None] if bias is None else torch.stack((one, bias), 1)


def _blocks(weight: torch.Tensor) -> list[slice]:
    step = max(1, torch.get_num_threads() * BLOCK_ELEMENTS // weight.shape[1])
    return [slice(start, start + step) for start in range(0, len(weight), step)]


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
