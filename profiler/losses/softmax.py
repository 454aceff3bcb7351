"""Softmax cross-entropy over all classes, block by block: one self-contained file, torch only."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss

# On CPU a block of scores is 256 rows by 1024 classes for each thread: it stays in the caches.
BLOCK_ROWS, BLOCK_SCORES = 256, 2**18
KEPT_SCORES = 2**23  # up to here all exponentials are kept for backward, else computed again
SAFE = 1e15  # sums of exponentials between 1 / SAFE and SAFE needed no shift


class Softmax(nn.Module):
    """Equals `cross_entropy(linear(hidden, weight, bias), target)`, without the B x C logits.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T / temperature + bias, y the target:

        loss = mean_b [ log sum_j exp(s_bj) - (1 - e) s_by - e mean_j s_bj ],  e = label_smoothing

    With `cosine` the rows of hidden and of weight are divided by their l2 norms first, so that
    s - bias lies within 1 / temperature, which should then be well above 1 (temperature .05 to .2).
    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B C D) time: four matrix products whose scores do not leave the processor's caches, or
    three where B C <= 2^23 and the exponentials are kept (32 MiB); else O(C D + B D) bytes and a
    block of 1 MiB a thread. On CPU faster than torch's own chunked form
    (`torch.nn.functional.linear_cross_entropy`), which has no weights per row. First derivatives
    only.
    Numerical contract: sums in the dtype of hidden, of bfloat16 in float32; scores of +-1e4 stay
    finite.

    Raises ValueError: a size or setting outside its bounds, target out of range, hidden not finite.

    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network
    outputs"; label smoothing: Szegedy et al. 2016; blocks: as in online softmax, Milakov &
    Gimelshein 2018.

    >>> layer = Softmax(2, 3, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # log 3: three equal scores
    1.0986
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        positives_weight: str = "each",
        temperature: float = 1.0,
        cosine: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}; it must be above 0")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing}; allowed are 0 to 1")
        self.n_classes = n_classes
        self.positives_weight = positives_weight
        self.temperature = temperature
        self.cosine = cosine
        self.label_smoothing = label_smoothing
        self.weight = nn.Parameter(torch.empty(n_classes, in_features).normal_(std=INIT_STD))
        self.bias = nn.Parameter(torch.zeros(n_classes)) if bias else None

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        query, weight = self._factors(hidden)
        losses: torch.Tensor = _RowLosses.apply(
            query, classes, weight, self.bias, self.label_smoothing
        )
        return (row_weight * losses).sum()

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(*self._factors(hidden), self.bias)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]."""
        return F.log_softmax(self.scores(hidden), dim=1)

    def _factors(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The query[B, D] and the class vectors[C, D] whose inner products, with bias, are s."""
        weight: torch.Tensor = self.weight
        if self.cosine:
            hidden, weight = F.normalize(hidden, dim=1), F.normalize(weight, dim=1)
        return (hidden if self.temperature == 1 else hidden / self.temperature), weight


class _RowLosses(torch.autograd.Function):
    """The loss of every row: forward finds log Z and the mean class vector, backward the rest."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        classes: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        smoothing: float,
    ) -> torch.Tensor:
        blocks = _ScoreBlocks(hidden, weight, bias, keep=ctx.needs_input_grad[2])
        log_z, slope = blocks.log_partition(with_mean=ctx.needs_input_grad[0])
        target_weight = weight.index_select(0, classes)
        s_target = (hidden * target_weight).sum(1)
        if bias is not None:
            s_target += bias.index_select(0, classes)
        slope -= (1 - smoothing) * target_weight
        losses = log_z - (1 - smoothing) * s_target
        if smoothing:
            centre = weight.mean(0)
            slope -= smoothing * centre
            losses -= smoothing * (hidden @ centre + (0 if bias is None else bias.mean()))
        ctx.save_for_backward(hidden, classes, weight, bias, log_z, slope)
        ctx.blocks, ctx.smoothing = blocks, smoothing
        return losses.to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("softmax has first derivatives only; create_graph must be False")
        (grad,) = grad_outputs
        hidden, classes, weight, _, log_z, slope = ctx.saved_tensors
        hidden_grad = (slope * grad[:, None]).to(hidden.dtype)
        weight_grad, bias_grad = ctx.blocks.class_gradients(grad, log_z)
        weighted = hidden * grad[:, None]
        on_target = ctx.smoothing - 1
        weight_grad.scatter_add_(0, classes[:, None].expand_as(weighted), on_target * weighted)
        if bias_grad is not None:
            bias_grad.scatter_add_(0, classes, on_target * grad)
        if ctx.smoothing:
            share = ctx.smoothing / len(weight)
            weight_grad -= share * weighted.sum(0)
            if bias_grad is not None:
                bias_grad -= share * grad.sum()
        return hidden_grad, None, weight_grad, bias_grad, None


class _ScoreBlocks:
    """exp(s), transposed, block by block: [classes, rows], classes in the outer loop.

    Exponentials are taken without a shift as long as the sums of every row show that this is
    safe; else all again, less the row's largest score so far.
    """

    def __init__(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *, keep: bool
    ) -> None:
        self.hidden, self.weight, self.bias, self.shifted = hidden, weight, bias, False
        n_cores = torch.get_num_threads() if hidden.is_cpu else 64  # a GPU wants larger products
        rows = min(len(hidden), BLOCK_ROWS if hidden.is_cpu else 8 * BLOCK_ROWS)
        classes = min(len(weight), n_cores * BLOCK_SCORES // rows)
        self.row_slices = _slices(len(hidden), rows)
        self.class_slices = _slices(len(weight), classes)
        self.transposed = [hidden[r].t().contiguous() for r in self.row_slices]
        self.keep = keep and len(hidden) * len(weight) <= KEPT_SCORES
        self.buffer = hidden.new_empty(len(hidden) * len(weight) if self.keep else rows * classes)
        self.sum_dtype = torch.promote_types(hidden.dtype, torch.float32)

    def log_partition(self, *, with_mean: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """log Z[B], and sum_j p_j weight_j [B, D], which is left 0 without `with_mean`."""
        sums = self._sums(with_mean)
        if sums is None:
            self.shifted = True
            sums = self._sums(with_mean)
        assert sums is not None
        total, mean, top = sums
        return total.log() + top, mean / total[:, None]

    def _sums(self, with_mean: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
        """Per row: sums of e = exp(s - top) and of e weight, and top; None if unsafe."""
        total = self.hidden.new_zeros(len(self.hidden), dtype=self.sum_dtype)
        mean = torch.zeros_like(self.hidden, dtype=self.sum_dtype)
        top = torch.full_like(total, -torch.inf if self.shifted else 0.0)
        for c, i, r, scores in self._blocks():
            self._score(c, i, scores)
            if self.shifted:
                higher = torch.maximum(top[r], scores.amax(0))
                shrink = (top[r] - higher).exp_()
                total[r] *= shrink
                mean[r] *= shrink[:, None]
                top[r] = higher
                scores -= higher
            total[r] += scores.exp_().sum(0, dtype=self.sum_dtype)
            if with_mean:
                mean[r] += scores.t() @ self.weight[c]
            if r.stop == len(total) and not self.shifted:
                low, high = total.aminmax()
                if not (low > 1 / SAFE and high < SAFE):
                    return None
        return total, mean, top

    def class_gradients(
        self, grad: torch.Tensor, log_z: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """sum_b grad_b p_bj h_b [C, D] and sum_b grad_b p_bj [C], if there is a bias."""
        scale = grad if self.shifted else grad * (-log_z).exp()
        weighted = (self.hidden * scale[:, None]).to(self.hidden.dtype)
        scale = scale.to(self.hidden.dtype)
        weight_grad = torch.empty_like(self.weight)
        bias_grad = None if self.bias is None else torch.empty_like(self.bias)
        for c, i, r, e in self._blocks():
            if self.shifted or not self.keep:
                self._score(c, i, e)
                if self.shifted:
                    e -= log_z[r]
                e.exp_()
            weight_grad[c].addmm_(e, weighted[r], beta=min(i, 1))
            if bias_grad is not None:
                bias_grad[c].addmv_(e, scale[r], beta=min(i, 1))
        return weight_grad, bias_grad

    def _blocks(self) -> list[tuple[slice, int, slice, torch.Tensor]]:
        """Classes, number of the row block, rows, and place in the buffer of every block."""
        blocks, at = [], 0
        for c in self.class_slices:
            for i, r in enumerate(self.row_slices):
                shape = c.stop - c.start, r.stop - r.start
                size = shape[0] * shape[1]
                blocks.append((c, i, r, self.buffer[at : at + size].view(shape)))
                at += size if self.keep else 0
        return blocks

    def _score(self, classes: slice, row_block: int, out: torch.Tensor) -> None:
        torch.mm(self.weight[classes], self.transposed[row_block], out=out)
        if self.bias is not None:
            out += self.bias[classes, None]


def _slices(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


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
