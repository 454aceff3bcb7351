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

    Cost: O(B C D) time, one matrix product and 8 to 16 MiB of scores where A is small; else three,
    and the scores of 64 rows (more below 2^22 scores, fewer beyond 2^25). Forward computes the
    gradients too when they are needed: second derivatives do not exist.
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
    """Loss and gradients in one pass over blocks of rows, each block's scores used in place."""

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
        scores = _Scores(hidden, weight, bias)
        gradient = _Gradient(hidden, weight, bias is not None)
        loss, start, are_many = hidden.new_zeros(()), 0, False
        while start < len(hidden):
            rows = slice(start, start + (scores.chunk if are_many else BLOCK_ROWS))
            y, a = classes[rows], row_weight[rows]
            if are_many:
                s = scores.whole(rows)
                threshold, square = _many(s)
                if needs_gradient:
                    gradient.add_many(rows, s, y, a)
            elif found := scores.few(rows):
                threshold, square, support = found
                if needs_gradient:
                    gradient.add_few(rows, support, y, a)
            else:
                are_many = True  # so probably in the rows after these too
                continue
            # 1/2 sum (s^2 - tau^2) = 1/2 sum (s - tau)^2 + tau, as the s - tau sum to 1
            loss += (a * (square / 2 + threshold - scores.at(rows, y) + 0.5)).sum()
            start = rows.stop
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


BLOCK = 8  # scores of which the maximum is looked at first
COARSE = 4  # blocks of which the maximum gives the lower bound of the threshold
BLOCK_ROWS = 256  # searched before the next rows are computed
SEARCHED = 2**21  # scores searched at once
TILE = 2**18  # scores computed, or passed over again and again, while they are in the cache
MOST_KEPT = 2**19  # entries of the support before they are added to the classes
SMALL = 14  # scores per entry of the support, from which gathered products are faster
# Row, column and p of the entries, sorted by row; and where each row begins
Support = tuple[Tensor, Tensor, Tensor, Tensor]


class _Gradient:
    """Gradients of hidden, weight and bias, from p - e_y of blocks of rows, dense or sparse."""

    def __init__(self, hidden: Tensor, weight: Tensor, has_bias: bool) -> None:
        self.hidden, self.weight = hidden, weight
        self.of_hidden, self.of_weight = torch.zeros_like(hidden), torch.zeros_like(weight)
        self.of_bias = weight.new_zeros(len(weight)) if has_bias else None
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []

    def add_many(self, rows: slice, p: Tensor, y: Tensor, row_weight: Tensor) -> None:
        p.scatter_add_(1, y[:, None], torch.full_like(row_weight, -1)[:, None])
        torch.mm(p, self.weight, out=self.of_hidden[rows]).mul_(row_weight[:, None])
        self.of_weight.addmm_(p.t(), self.hidden[rows] * row_weight[:, None])
        if self.of_bias is not None:
            self.of_bias.addmv_(p.t(), row_weight)

    def add_few(self, rows: slice, support: Support, y: Tensor, row_weight: Tensor) -> None:
        row, column, p, starts = support
        p = p * row_weight.index_select(0, row)
        out = _sums(column, self.weight, starts, p)
        out -= self.weight.index_select(0, y) * row_weight[:, None]
        self.of_hidden[rows] = out
        every = torch.arange(len(y), dtype=torch.int32, device=row.device) + rows.start
        self.kept += (row + rows.start, column, p), (every, y.int(), -row_weight)
        if sum(len(entries[0]) for entries in self.kept) > MOST_KEPT:
            self._add_kept()

    def _add_kept(self) -> None:
        """What is kept, by row, goes to the classes: each is written once."""
        row, column, p = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        self.kept = []
        column, order = column.sort(stable=True)
        row, p = row.index_select(0, order), p.index_select(0, order)
        if len(row) > len(self.weight):
            counts = torch.bincount(column, minlength=len(self.weight))
            self.of_weight += _sums(row, self.hidden, _starts(counts), p)
        else:
            touched, counts = column.unique_consecutive(return_counts=True)
            self.of_weight.index_add_(0, touched, _sums(row, self.hidden, _starts(counts), p))
        if self.of_bias is not None:
            self.of_bias.index_add_(0, column, p)

    def finish(self) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.kept:
            self._add_kept()
        return self.of_hidden, self.of_weight, self.of_bias


def _sums(ids: Tensor, matrix: Tensor, starts: Tensor, factors: Tensor) -> Tensor:
    return F.embedding_bag(ids, matrix, starts, mode="sum", per_sample_weights=factors)


def _starts(counts: Tensor) -> Tensor:
    return (counts.cumsum(0) - counts).int()


class _Scores:
    """Scores: tiles that stay in the cache where the support is small, else whole rows."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        self.hidden, self.weight, self.bias = hidden, weight, bias
        n_rows, n_classes = min(BLOCK_ROWS, len(hidden)), len(weight)
        self.chunk = min(n_rows, max(64, 2**22 // n_classes), max(16, 2**25 // n_classes))
        self.buffer, self.ready = hidden.new_empty(0), None

    def at(self, rows: slice, classes: Tensor) -> Tensor:
        """The scores of one class of each row."""
        s = (self.hidden[rows] * self.weight.index_select(0, classes)).sum(1)
        return s if self.bias is None else s + self.bias.index_select(0, classes)

    def whole(self, rows: slice) -> Tensor:
        """[B, C], in a buffer that is used again; or those that were searched in vain."""
        if self.ready is not None:
            out, self.ready = self.ready, None
            return out
        h = self.hidden[rows]  # 16 more: rows whole pages apart would share the cache's sets
        out = self._space(len(h), len(self.weight) + 16)[:, : len(self.weight)]
        torch.mm(h, self.weight.t(), out=out)
        return out if self.bias is None else out.add_(self.bias)

    def _space(self, n_rows: int, n_columns: int) -> Tensor:
        """Memory that is used again: new pages cost more than a pass over the scores."""
        if self.buffer.numel() < n_rows * n_columns:
            self.buffer = self.hidden.new_empty(n_rows * n_columns)
        return self.buffer[: n_rows * n_columns].view(n_rows, n_columns)

    def few(self, rows: slice) -> tuple[Tensor, Tensor, Support] | None:
        """tau[B], sum p^2[B] and the support, from scores above a bound; None if many."""
        h, n_classes = self.hidden[rows], len(self.weight)
        is_whole = len(h) * n_classes <= 2 * SEARCHED
        width = n_classes if is_whole else SEARCHED // len(h)
        width += -width % (BLOCK * COARSE)
        s = self._space(len(h), width)
        low, tops, kept, n_kept = torch.full_like(h[:, 0], -torch.inf), [], [], 0
        for t in range(0, n_classes, width):
            peaks = self._tiles(h, t, s)
            tops.append(peaks.unflatten(1, (COARSE, -1)).amax(1))
            if len(tops).bit_count() == 1 or t + width >= n_classes:  # 1, 2, 4, 8 ... and all
                low = _lower_bound(torch.cat(tops, 1), low)
            are_many = (tops[-1] > low[:, None]).sum() * 32 > tops[-1].numel() * 31
            if not are_many:
                row, column, value = _above(s, peaks, low)
                kept.append((row, column + t, value))
                n_kept += len(row)
            if are_many or n_kept * SMALL > len(h) * n_classes:
                self.ready = s[:, :n_classes] if is_whole else None
                return None
        return _on_support(low, kept)

    def _tiles(self, h: Tensor, first: int, out: Tensor) -> Tensor:
        """Scores from class `first` into out[B, K]; maxima of columns k, k + K / BLOCK, ..."""
        n = min(out.shape[1], len(self.weight) - first)
        out[:, n:] = -torch.inf
        for part in _slices(0, n, max(BLOCK, TILE // len(h))):
            classes = slice(first + part.start, first + part.stop)
            torch.mm(h, self.weight[classes].t(), out=out[:, part])
            if self.bias is not None:
                out[:, part].add_(self.bias[classes])
        return out.unflatten(1, (BLOCK, -1)).amax(1)


def _slices(start: int, stop: int, step: int) -> list[slice]:
    return [slice(i, min(i + step, stop)) for i in range(start, stop, step)]


def _above(s: Tensor, peaks: Tensor, low: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row, column and score of every s[B, K] > low[B], by row."""
    stride = peaks.shape[1]
    block = _places(peaks, low)
    row = block // stride
    inside = torch.arange(0, s.shape[1], stride, dtype=torch.int32, device=s.device)
    place = ((block + row * (s.shape[1] - stride))[:, None] + inside).view(-1)
    opened = s.view(-1).index_select(0, place)
    at = _places(opened.view(-1, BLOCK), low.index_select(0, row))
    row = row.index_select(0, at // BLOCK)
    return row, place.index_select(0, at) - row * s.shape[1], opened.index_select(0, at)


def _places(x: Tensor, low: Tensor) -> Tensor:
    """Where x[B, K] > low[B], as places in x.view(-1)."""
    if x.device.type != "cpu":
        return (x > low[:, None]).view(-1).nonzero()[:, 0].int()
    # NumPy compares and searches on CPU 3 to 5 times faster than torch
    return torch.from_numpy((x.numpy() > low.numpy()[:, None]).reshape(-1).nonzero()[0]).int()


def _lower_bound(some: Tensor, low: Tensor) -> Tensor:
    """A better bound than low[B]: the threshold of some of the scores is at most that of all."""
    top = some.amax(1)
    low = torch.maximum(low, top - 1)
    low = low + _solve(some - low[:, None], n_steps=12, tolerance=0.1)
    return low - 4 * torch.finfo(low.dtype).eps * top.abs()


def _on_support(
    low: Tensor, kept: list[tuple[Tensor, Tensor, Tensor]]
) -> tuple[Tensor, Tensor, Support]:
    """tau[B], sum p^2[B] and the support, from row, column and score of all above low[B]."""
    row, column, value = (torch.cat(parts) for parts in zip(*kept, strict=True))
    if len(kept) > 1:  # some were kept for a lower bound, and all are by tile
        at = _places(value[:, None], low.index_select(0, row))
        row, order = row.index_select(0, at).sort(stable=True)
        at = at.index_select(0, order)
        column, value = column.index_select(0, at), value.index_select(0, at)
    counts = torch.bincount(row, minlength=len(low))
    starts = _starts(counts)
    n_most = int(counts.max())
    every = torch.arange(len(low), device=row.device) * n_most - starts
    slot = torch.arange(len(row), device=row.device) + every.index_select(0, row)
    x = low.new_full((len(low), n_most), -1)
    x.view(-1).scatter_(0, slot, value - low.index_select(0, row))
    threshold = low + _solve(x)
    square = torch.linalg.vector_norm(x, dim=1).square()
    p = x.view(-1).index_select(0, slot)
    return threshold, square, (row, column, p, starts)


def _many(s: Tensor) -> tuple[Tensor, Tensor]:
    """tau[B] and sum p^2[B]; s[B, C] becomes p, in slices that fit the cache."""
    threshold, square = torch.empty_like(s[:, 0]), torch.empty_like(s[:, 0])
    for rows in _slices(0, len(s), max(1, TILE // s.shape[1])):
        x = s[rows]
        whole = x[:, : x.shape[1] // BLOCK * BLOCK].unflatten(1, (BLOCK, -1))
        some = whole.amax(1) if x.shape[1] > 64 else x
        low = _lower_bound(some, x.mean(1) - 1 / x.shape[1])
        threshold[rows] = low + _solve(x.sub_(low[:, None]))
        square[rows] = torch.linalg.vector_norm(x, dim=1).square()
    return threshold, square


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
