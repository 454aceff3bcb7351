"""Sparsemax loss with an exact threshold and no sort: one self-contained file, torch only."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Target = Tensor | tuple[Tensor, Tensor]
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

    Cost: O(B C D) time, one matrix product where A is small (three where it is not); the scores
    of 64 rows, fewer beyond 2^25 scores and more below 3 2^20, beside the gradients. Forward
    computes the gradients too when they are needed, so second derivatives do not exist.
    Numerical contract: the threshold is exact up to rounding (Newton's method on a convex
    piecewise linear function ends in finitely many steps); 16-bit parameters are computed in
    float32; scores of +-1e4 stay finite.

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

    def forward(self, hidden: Tensor, target: Target) -> Tensor:
        """The mean loss of a batch, a scalar."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: Tensor = _ChunkedSparsemax.apply(*example, self.weight, self.bias)
        return loss

    def scores(self, hidden: Tensor) -> Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Log-probabilities, [B, C]; minus infinity below the threshold."""
        scores = self.scores(hidden)
        fixed = scores.detach()
        low = fixed.amax(1) - 1
        excess = fixed - low[:, None]
        threshold = low + _solve(excess)
        share = excess.sign() / excess.sign().sum(1, keepdim=True)  # d tau / d s
        threshold = threshold + (share * (scores - fixed)).sum(1)  # same value, with its gradient
        excess = scores - threshold[:, None]
        inside = excess > 0
        return torch.where(inside, excess, 1).log().masked_fill(~inside, -torch.inf)


class _ChunkedSparsemax(torch.autograd.Function):
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
        chunk, tile = _tiling(len(hidden), len(weight))
        # 16 more: rows whole pages apart would share the cache's sets
        padded = hidden.new_empty(chunk, -(-len(weight) // tile) * tile + 16)
        padded[:, len(weight) :] = -torch.inf
        gradient = _Gradient(hidden, weight, bias is not None, padded.numel() // 8)
        loss = hidden.new_zeros(())
        for start in range(0, len(hidden), chunk):
            rows = slice(start, start + chunk)
            h, y, a = hidden[rows], classes[rows], row_weight[rows]
            part = padded[: len(h)]
            peaks = _scores(h, weight, bias, part, tile)
            s = part[:, : len(weight)]
            s_target = s.gather(1, y[:, None])[:, 0]
            low = _lower_bound(peaks)
            found = _few(part, peaks, low, tile)
            if found is None:
                threshold, square = _many(s, low)
                if needs_gradient:
                    gradient.add_many(rows, s, y, a)
            else:
                threshold, square, support = found
                if needs_gradient:
                    gradient.add_few(rows, support, y, a)
            # 1/2 sum (s^2 - tau^2) = 1/2 sum (s - tau)^2 + tau, as the s - tau sum to 1
            loss += (a * (square / 2 + threshold - s_target + 0.5)).sum()
        if needs_gradient:
            ctx.gradients = gradient.finish()
        return loss.to(ctx.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("sparsemax has first derivatives only; create_graph must be False")
        if ctx.gradients is None:
            raise RuntimeError("this loss's backward ran already; run forward again")
        gradients, ctx.gradients = ctx.gradients, None
        if grad_outputs[0] != 1:  # scaled in place: no second copy of the class gradients
            for gradient in (g for g in gradients if g is not None):
                gradient.mul_(grad_outputs[0].to(gradient.dtype))
        hidden_grad, weight_grad, bias_grad = (
            None if g is None else g.to(ctx.dtype) for g in gradients
        )
        return hidden_grad, None, None, weight_grad, bias_grad


BLOCK = 4  # scores of which the maximum is looked at first
COARSE = 8  # blocks of which the maximum gives the lower bound of the threshold
TILE = 2**18  # scores computed and reduced while they are in the cache
SMALL = 14  # scores per entry of the support, from which gathered products are faster
# Row, column and p of the entries, sorted by row; and where each row begins
Support = tuple[Tensor, Tensor, Tensor, Tensor]


class _Gradient:
    """Gradients of hidden, weight and bias, from chunks of p - e_y that are dense or sparse."""

    def __init__(self, hidden: Tensor, weight: Tensor, has_bias: bool, most_kept: int) -> None:
        self.hidden, self.weight, self.most_kept = hidden, weight, most_kept
        self.of_hidden, self.of_weight = torch.zeros_like(hidden), torch.zeros_like(weight)
        self.of_bias = weight.new_zeros(len(weight)) if has_bias else None
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []

    def add_many(self, rows: slice, p: Tensor, y: Tensor, row_weight: Tensor) -> None:
        """p[B, C] of some rows, which is overwritten: two matrix products."""
        p.scatter_add_(1, y[:, None], torch.full_like(row_weight, -1)[:, None])
        torch.mm(p, self.weight, out=self.of_hidden[rows]).mul_(row_weight[:, None])
        self.of_weight.addmm_(p.t(), self.hidden[rows] * row_weight[:, None])
        if self.of_bias is not None:
            self.of_bias.addmv_(p.t(), row_weight)

    def add_few(self, rows: slice, support: Support, y: Tensor, row_weight: Tensor) -> None:
        """p of the support: gathered rows of the classes."""
        row, column, p, starts = support
        p = p * row_weight.index_select(0, row)
        out = F.embedding_bag(column, self.weight, starts, mode="sum", per_sample_weights=p)
        out -= self.weight.index_select(0, y) * row_weight[:, None]
        self.of_hidden[rows] = out
        every = torch.arange(len(y), dtype=torch.int32, device=row.device) + rows.start
        self.kept += (row + rows.start, column, p), (every, y.int(), -row_weight)
        if sum(len(values) for *_, values in self.kept) > self.most_kept:
            self._add_kept()

    def _add_kept(self) -> None:
        """What is kept goes to the classes, each class written once."""
        row, column, values = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        self.kept = []
        order = column.sort(stable=True).indices
        counts = torch.bincount(column, minlength=len(self.weight))
        touched = counts.nonzero()[:, 0]
        counts = counts.index_select(0, touched)
        sums = F.embedding_bag(
            row.index_select(0, order),
            self.hidden,
            (counts.cumsum(0) - counts).int(),
            mode="sum",
            per_sample_weights=values.index_select(0, order),
        )
        self.of_weight.index_add_(0, touched, sums)
        if self.of_bias is not None:
            self.of_bias += torch.bincount(column, values, minlength=len(self.weight))

    def finish(self) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.kept:
            self._add_kept()
        return self.of_hidden, self.of_weight, self.of_bias


def _tiling(n_rows: int, n_classes: int) -> tuple[int, int]:
    """Rows of a chunk and classes of a tile, in whole blocks of blocks."""
    chunk = min(n_rows, max(64, 3 * 2**20 // n_classes), max(16, 2**25 // n_classes))
    chunk = -(-n_rows // -(-n_rows // chunk))  # chunks of one size
    n_tiles = max(1, round(chunk * n_classes / TILE))
    return chunk, -(-n_classes // (n_tiles * BLOCK * COARSE)) * BLOCK * COARSE


def _scores(hidden: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor, tile: int) -> Tensor:
    """Scores into out[B, C'], C padded with minus infinity; the maxima of blocks, [B, C' / BLOCK].

    Block k of the tile that begins at class t holds the classes t + k + i tile / BLOCK.
    """
    n_rows, n_padded = out.shape
    peaks = out.new_empty(n_rows, n_padded // tile * tile // BLOCK)
    for t in range(0, len(weight), tile):
        s = out[:, t : min(t + tile, len(weight))]
        torch.mm(hidden, weight[t : t + tile].t(), out=s)
        if bias is not None:
            s += bias[t : t + tile]
        blocks = out[:, t : t + tile].unflatten(1, (BLOCK, -1))
        torch.amax(blocks, 1, out=peaks[:, t // BLOCK : (t + tile) // BLOCK])
    return peaks


def _many(s: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """tau[B] and sum p^2[B]; s[B, C] becomes p, in slices that fit the cache."""
    threshold, square = torch.empty_like(s[:, 0]), torch.empty_like(s[:, 0])
    n_rows = max(1, TILE // s.shape[1])
    for start in range(0, len(s), n_rows):
        rows = slice(start, start + n_rows)
        x = s[rows]
        threshold[rows] = low[rows] + _solve(x.sub_(low[rows, None]))
        square[rows] = torch.linalg.vector_norm(x, dim=1).square()
    return threshold, square


def _few(
    padded: Tensor, peaks: Tensor, low: Tensor, tile: int
) -> tuple[Tensor, Tensor, Support] | None:
    """tau[B], sum p^2[B] and the support; None if it may not be small.

    Only blocks that rise above the lower bound of tau are looked into.
    """
    found = _above(padded, peaks, low, tile)
    if found is None:
        return None
    row, column, value = found
    counts = torch.bincount(row, minlength=len(low))
    starts = (counts.cumsum(0) - counts).int()
    n_most = int(counts.max())
    every = torch.arange(len(low), device=row.device) * n_most - starts
    slot = torch.arange(len(row), device=row.device) + every.index_select(0, row)
    x = low.new_full((len(low), n_most), -1)
    x.view(-1).scatter_(0, slot, value - low.index_select(0, row))
    threshold = low + _solve(x)
    square = torch.linalg.vector_norm(x, dim=1).square()
    return threshold, square, (row, column, x.view(-1).index_select(0, slot), starts)


def _lower_bound(peaks: Tensor) -> Tensor:
    """A bound of tau[B]: the threshold of some of the scores is at most that of all."""
    some = peaks
    if peaks.shape[1] > 512:
        some = peaks.unflatten(1, (COARSE, -1)).amax(1)
    top = some.amax(1)
    low = top - 1
    low = low + _solve(some - low[:, None], n_steps=12, tolerance=0.1)
    return low - 4 * torch.finfo(low.dtype).eps * top.abs()


def _above(
    padded: Tensor, peaks: Tensor, low: Tensor, tile: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Row, column and score of every score above low[B], sorted by row; None if they are many."""
    stride, n_columns = tile // BLOCK, padded.shape[1]
    block = _places(peaks, low)  # 32 bits: a chunk has fewer scores
    if len(block) * 3 > peaks.numel():
        return None
    row = block // peaks.shape[1]
    in_row = block - row * peaks.shape[1]
    first = row * n_columns + in_row + in_row // stride * (tile - stride)
    inside = torch.arange(0, tile, stride, dtype=torch.int32, device=padded.device)
    place = (first[:, None] + inside).view(-1)
    opened = padded.view(-1).index_select(0, place)
    at = _places(opened.view(-1, BLOCK), low.index_select(0, row))
    if len(at) * SMALL > padded.numel():
        return None
    row = row.index_select(0, at // BLOCK)
    return row, place.index_select(0, at) - row * n_columns, opened.index_select(0, at)


def _places(x: Tensor, low: Tensor) -> Tensor:
    """Where x[B, K] > low[B], as places in x.view(-1)."""
    if x.device.type != "cpu":
        return (x > low[:, None]).view(-1).nonzero()[:, 0].int()
    # NumPy compares and searches on CPU 3 to 5 times faster than torch
    return torch.from_numpy((x.numpy() > low.numpy()[:, None]).reshape(-1).nonzero()[0]).int()


def _solve(x: Tensor, *, n_steps: int = 50, tolerance: float = 0.0) -> Tensor:
    """How far tau[B] lies above a lower bound; x[B, K] = s - bound becomes max(s - tau, 0).

    The sum of x^+ falls convexly to 1 at tau, so a step of Newton's method rises to it and never
    beyond. The slope is a count, a slow pass: after the first it is that of the secant, which
    overestimates it and so never rises beyond either. Ended early, it gives a better bound.
    """
    tolerance = max(tolerance, 64 * torch.finfo(x.dtype).eps)
    x.clamp_min_(0)
    surplus = x.sum(1) - 1
    slope = x.sign().sum(1)
    rise = torch.zeros_like(surplus)
    for _ in range(n_steps):
        step = (surplus / slope).clamp_min_(0)
        x.sub_(step[:, None]).clamp_min_(0)
        rise += step
        if surplus.max() < tolerance:
            break
        before, surplus = surplus, x.sum(1) - 1
        secant = torch.where(before > 1e-3, (before - surplus) / step, slope)  # else only rounding
        slope = torch.minimum(slope, secant)
    return rise


def _examples(
    hidden: torch.Tensor, target: Target, n_classes: int, positives_weight: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
    # Of finite numbers the sum alone is asked, at a tenth of the time; it may overflow
    if not (torch.isfinite(hidden.sum()) or torch.isfinite(hidden).all()):
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
