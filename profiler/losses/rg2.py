"""RG2, the quadratic form of softmax, by Gram matrices: one self-contained file, torch only."""

from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss
BLOCK_ELEMENTS = 2**18  # of the class weights, for each thread: a block stays in the caches


class Rg2(nn.Module):
    """Equals the quadratic below over all scores, without computing any score but the target's.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target:

        loss = mean_b [ -s_by + mean_j s_bj + 1/2 mean_j s_bj^2 ]

    where mean_j s = h.c + mean(bias) and mean_j s^2 = h^T G h + 2 h.v + mean(bias^2), with
    c = mean of the class weights, G = weight^T weight / C and v = weight^T bias / C.
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O((B + C) D^2) time and O(C D + B D + D^2) bytes: no B x C product exists, so it is
    cheaper than softmax when D is below about 1.5 B. The scores at the optimum are C p - 1. First
    derivatives only.
    Numerical contract: sums in the dtype of hidden, of bfloat16 in float32; scores of +-1e4 stay
    finite.

    Raises ValueError: a size below its minimum, target out of range, hidden not finite.

    Source: Pu et al., ICML 2024 (RG2; abstract and code read); the Gram form is derived in the
    theory notes, 1.5.

    >>> layer = Rg2(2, 4, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # four scores of 3: -3 + 3 + 9/2
    4.5
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
        loss: torch.Tensor = _GramQuadratic.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: torch.Tensor) -> NoReturn:
        """Raises: the scores' map to probabilities, (1 + s) / C, can leave the simplex."""
        raise NotImplementedError("rg2 has no probabilities: (1 + s) / C can be below 0")


class _GramQuadratic(torch.autograd.Function):
    """Value and gradients from the D x D Gram matrices of the classes and of the batch."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        row_weight: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        mean, gram, cross = _class_moments(weight, bias)
        h, linear = hidden.to(gram.dtype), mean + cross
        constant = gram.new_zeros(())
        target_weight = weight.index_select(0, classes)
        s_target = (h * target_weight).sum(1)
        if bias is not None:
            constant = (bias + bias.square() / 2).mean()
            s_target += bias.index_select(0, classes)
        # dL/dh per unit of row weight: c + v + G h, less the target's row
        slope = h @ gram + linear
        half_quadratic = ((slope + linear) * h).sum(1) / 2
        ctx.save_for_backward(h, classes, row_weight, weight, bias, slope - target_weight)
        loss = (row_weight * (half_quadratic - s_target)).sum() + constant
        return loss.to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("rg2 has first derivatives only; create_graph must be False")
        (grad,) = grad_outputs
        h, classes, row_weight, weight, bias, hidden_slope = ctx.saved_tensors
        per_row = (row_weight * grad)[:, None]
        weighted = h * per_row
        first = (weighted.sum(0) / len(weight)).to(weight.dtype)
        second = (h.t() @ weighted / len(weight)).to(weight.dtype)
        weight_grad = torch.empty_like(weight)
        bias_grad = None if bias is None else torch.empty_like(bias)
        by_one_and_bias = _one_and_bias(weight, bias)
        constants = first[None] if bias is None else torch.stack((first, first))
        for c in _blocks(weight):
            torch.mm(weight[c], second, out=weight_grad[c])
            weight_grad[c].addmm_(by_one_and_bias[c], constants)
            if bias_grad is not None:
                torch.mv(weight[c], first, out=bias_grad[c])
        on_target = -weighted.to(weight.dtype)
        weight_grad.scatter_add_(0, classes[:, None].expand_as(weighted), on_target)
        if bias is not None and bias_grad is not None:
            bias_grad += (1 + bias) * (per_row.sum() / len(weight))
            bias_grad.scatter_add_(0, classes, -per_row[:, 0])
        return (hidden_slope * per_row).to(weight.dtype), None, None, weight_grad, bias_grad


def _class_moments(
    weight: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Means over the classes of w [D], of w w^T [D, D], and of b w [D], which is 0 without bias."""
    dim, sum_dtype = weight.shape[1], torch.promote_types(weight.dtype, torch.float)
    by_one_and_bias = _one_and_bias(weight, bias).t()
    gram = weight.new_zeros(dim, dim, dtype=sum_dtype)
    linear = weight.new_zeros(2, dim, dtype=sum_dtype)
    for c in _blocks(weight):
        gram += weight[c].t() @ weight[c]
        linear[: len(by_one_and_bias)] += by_one_and_bias[:, c] @ weight[c]
    total, cross = linear
    return total / len(weight), gram / len(weight), cross / len(weight)


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
