"""Entmax loss for any alpha in (1, 2], without a sort: one self-contained file, torch only."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Target = Tensor | tuple[Tensor, Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class Entmax(nn.Module):
    """Equals the alpha-entmax loss over all scores, without a sort and without the B x C scores.

    hidden[B, D], weight[C, D], bias[C], target[B] classes, or for several positives per row the
    CSR pair (indices[L], offsets[B + 1]); s = hidden weight^T + bias, y the target, tau the
    threshold at which p = max((alpha - 1) s - tau, 0)^(1 / (alpha - 1)) sums to 1:

        loss = mean_b [ p_b . s_b - (sum_j p_bj^alpha - 1) / (alpha (alpha - 1)) - s_by ]

    Its gradient in s is p - e_y; it is 0 once s_y leads by 1 / (alpha - 1); alpha = 2 is sparsemax,
    alpha -> 1 softmax. Rank by the scores: all classes below the threshold tie at p = 0. With
    positives_weight "each" every positive counts as one example, with "mean" as 1/|r| of its row's.

    Cost: O(B C D) time, one matrix product and 8 to 16 MiB of scores where few classes have p > 0;
    else three, and the scores of 64 rows (more below 2^22 scores, fewer beyond 2^25).
    Forward computes the gradients too when they are needed: second derivatives do not exist.
    Numerical contract: tau is exact up to rounding, which grows in p as 1 / (alpha - 1); 16-bit
    parameters are computed in float32; scores of +-1e4 stay finite.

    Raises ValueError: a size or alpha outside its bounds, target out of range, hidden not finite.

    Source: Peters, Niculae & Martins 2019, "Sparse sequence-to-sequence models".

    >>> layer = Entmax(2, 4, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 1.0)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # p = 1/4: (1 - 4 (1/4)^1.5) / .75
    0.6667
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        positives_weight: str = "each",
        alpha: float = 1.5,
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        if not 1 < alpha <= 2:
            raise ValueError(f"alpha={alpha}; allowed is above 1 to 2")
        self.n_classes = n_classes
        self.positives_weight = positives_weight
        self.alpha = float(alpha)
        self.weight = nn.Parameter(torch.empty(n_classes, in_features).normal_(std=INIT_STD))
        self.bias = nn.Parameter(torch.zeros(n_classes)) if bias else None

    def forward(self, hidden: Tensor, target: Target) -> Tensor:
        """The mean loss of a batch, a scalar."""
        example = _examples(hidden, target, self.n_classes, self.positives_weight)
        loss: Tensor = _ChunkedEntmax.apply(*example, self.weight, self.bias, self.alpha)
        return loss

    def scores(self, hidden: Tensor) -> Tensor:
        """The scores to rank by, [B, C]."""
        return F.linear(hidden, self.weight, self.bias)

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Log-probabilities, [B, C]; minus infinity below the threshold."""
        power = 1 / (self.alpha - 1)
        z = self.scores(hidden) * (self.alpha - 1)
        low = z.detach().amax(1) - 1
        excess = z.detach() - low[:, None]
        threshold = low + _solve(excess, power)
        share = excess.sign() if power == 1 else excess ** (power - 1)  # d tau / d z, but for a sum
        threshold = threshold + (share * (z - z.detach())).sum(1) / share.sum(1)
        excess = z - threshold[:, None]
        inside = excess > 0
        return power * torch.where(inside, excess, 1).log().masked_fill(~inside, -torch.inf)


class _ChunkedEntmax(torch.autograd.Function):
    """Loss and gradients in one pass over blocks of rows, each block's scores used in place."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        classes: Tensor,
        row_weight: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        alpha: float,
    ) -> Tensor:
        power = 1 / (alpha - 1)
        needs_gradient = any(ctx.needs_input_grad)
        its_dtype, dtype = hidden.dtype, torch.promote_types(hidden.dtype, torch.float32)
        hidden, row_weight, weight = (x.detach().to(dtype) for x in (hidden, row_weight, weight))
        scaled_bias = None if bias is None else bias.detach().to(dtype) * (alpha - 1)
        scores = _Scores(hidden * (alpha - 1), weight, scaled_bias)  # z = (alpha - 1) s
        gradient = _Gradient(hidden, weight, bias is not None)
        loss, start, are_many = hidden.new_zeros(()), 0, False
        while start < len(hidden):
            rows = slice(start, start + (scores.chunk if are_many else BLOCK_ROWS))
            y, a = classes[rows], row_weight[rows]
            if are_many:
                z = scores.whole(rows)
                threshold, mass = _many(z, power)
                if needs_gradient:
                    gradient.add_many(rows, z, y, a)
            elif found := scores.few(rows, power):
                threshold, mass, support = found
                if needs_gradient:
                    gradient.add_few(rows, support, y, a)
            else:
                are_many = True  # so probably in the rows after these too
                continue
            # s = (x + tau) / (alpha - 1) where p = x^power > 0 turns p . s into sums of p^alpha
            gap = threshold - scores.at(rows, y)
            loss += (a * (mass / alpha + (gap + 1 / alpha) * power)).sum()
            start = rows.stop
        if needs_gradient:
            gradients = gradient.of_hidden, gradient.of_weight, gradient.of_bias
            ctx.gradients = tuple(None if g is None else g.to(its_dtype) for g in gradients)
        return loss.to(its_dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would silently lack this part
            raise RuntimeError("entmax has first derivatives only; create_graph must be False")
        if ctx.gradients is None:
            raise RuntimeError("this loss's backward ran already; run forward again")
        gradients, ctx.gradients, scale = ctx.gradients, None, grad_outputs[0]
        # Scaled in place: no second copy of the class gradients
        h, w, b = (g if g is None or scale == 1 else g.mul_(scale) for g in gradients)
        return h, None, None, w, b, None


BLOCK = 8  # scores of which the maximum is looked at first
COARSE = 4  # blocks of which the maximum gives the lower bound of the threshold
BLOCK_ROWS = 256  # searched before the next rows are computed
SEARCHED = 2**21  # scores searched at once
TILE = 2**18  # scores computed, or passed over again and again, while they are in the cache
SMALL = 14  # scores per entry of the support, from which gathered products are faster
Support = tuple[Tensor, Tensor, Tensor, Tensor]  # row, column and p by row; each row's start


class _Gradient:
    """Gradients of hidden, weight and bias, from p - e_y of blocks of rows, dense or sparse."""

    def __init__(self, hidden: Tensor, weight: Tensor, has_bias: bool) -> None:
        self.hidden, self.weight = hidden, weight
        self.of_hidden, self.of_weight = torch.zeros_like(hidden), torch.zeros_like(weight)
        self.of_bias = weight.new_zeros(len(weight)) if has_bias else None

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
        # By class, with the target's -1; each class is written once
        every = torch.arange(len(y), dtype=torch.int32, device=row.device)
        column, order = torch.cat((column, y.int())).sort(stable=True)
        row = torch.cat((row, every)).index_select(0, order)
        p = torch.cat((p, -row_weight)).index_select(0, order)
        touched, counts = column.unique_consecutive(return_counts=True)
        starts = (counts.cumsum(0) - counts).int()
        self.of_weight.index_add_(0, touched, _sums(row, self.hidden[rows], starts, p))
        if self.of_bias is not None:
            self.of_bias.index_add_(0, column, p)


def _sums(ids: Tensor, matrix: Tensor, starts: Tensor, factors: Tensor) -> Tensor:
    return F.embedding_bag(ids, matrix, starts, mode="sum", per_sample_weights=factors)


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

    def few(self, rows: slice, power: float) -> tuple[Tensor, Tensor, Support] | None:
        """tau[B], sum p^alpha[B] and the support, from scores above a bound; None if many."""
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
                low = _lower_bound(torch.cat(tops, 1), low, power)
            are_many = (tops[-1] > low[:, None]).sum() * 32 > tops[-1].numel() * 31
            if not are_many:
                row, column, value = _above(s, peaks, low)
                kept.append((row, column + t, value))
                n_kept += len(row)
            if are_many or n_kept * SMALL > len(h) * n_classes:
                self.ready = s[:, :n_classes] if is_whole else None
                return None
        return _on_support(low, kept, power)

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


def _lower_bound(some: Tensor, low: Tensor, power: float) -> Tensor:
    """A better bound than low[B]: the threshold of some of the scores is at most that of all."""
    top = some.amax(1)
    low = torch.maximum(low, top - 1)
    low = low + _solve(some - low[:, None], power, n_steps=12, tolerance=1e-2)
    return low - 4 * torch.finfo(low.dtype).eps * top.abs()


def _on_support(
    low: Tensor, kept: list[tuple[Tensor, Tensor, Tensor]], power: float
) -> tuple[Tensor, Tensor, Support]:
    """tau[B], sum p^alpha[B] and the support, from row, column and score of all above low[B]."""
    row, column, value = (torch.cat(parts) for parts in zip(*kept, strict=True))
    if len(kept) > 1:  # some were kept for a lower bound, and all are by tile
        at = _places(value[:, None], low.index_select(0, row))
        row, order = row.index_select(0, at).sort(stable=True)
        at = at.index_select(0, order)
        column, value = column.index_select(0, at), value.index_select(0, at)
    counts = torch.bincount(row, minlength=len(low))
    starts = (counts.cumsum(0) - counts).int()
    n_most = int(counts.max())
    every = torch.arange(len(low), device=row.device) * n_most - starts
    slot = torch.arange(len(row), device=row.device) + every.index_select(0, row)
    x = low.new_full((len(low), n_most), -1)
    x.view(-1).scatter_(0, slot, value - low.index_select(0, row))
    threshold, mass = low + _solve(x, power), _to_probabilities(x, power)
    return threshold, mass, (row, column, x.view(-1).index_select(0, slot), starts)


def _many(z: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """tau[B] and sum p^alpha[B]; z[B, C] becomes p, in slices that fit the cache."""
    threshold, mass = torch.empty_like(z[:, 0]), torch.empty_like(z[:, 0])
    for rows in _slices(0, len(z), max(1, TILE // z.shape[1])):
        x = z[rows]
        # C scores at their mean would have this threshold: of others it is a lower bound
        low = torch.maximum(x.mean(1) - x.shape[1] ** (-1 / power), x.amax(1) - 1)
        threshold[rows] = low + _solve(x.sub_(low[:, None]), power)
        mass[rows] = _to_probabilities(x, power)
    return threshold, mass


def _solve(x: Tensor, power: float, *, n_steps: int = 50, tolerance: float = 0.0) -> Tensor:
    """How far tau[B] lies above a lower bound; x[B, K] = z - bound becomes max(z - tau, 0).

    ||x^+||_power falls convexly to 1 at tau: Newton's method rises to it, and never beyond.
    """
    tolerance = max(tolerance, 16 * torch.finfo(x.dtype).eps)
    x.clamp_min_(0)
    rise = x.new_zeros(len(x))
    for _ in range(n_steps):
        step, error = _newton_step(x, power)
        x.sub_(step[:, None]).clamp_min_(0)
        rise += step
        if error.max() < tolerance:
            break
    return rise


def _newton_step(x: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """The step, at least 0, and a bound of the norm's error after it."""
    if power == 2:
        norm, slope = torch.linalg.vector_norm(x, dim=1), x.sum(1)
    else:
        lower = x.sign() if power == 1 else x.log().mul_(power - 1).exp_()
        slope = lower.sum(1)
        norm = lower.mul_(x).sum(1) ** (1 / power)
    step = ((norm - 1) * norm ** (power - 1) / slope).clamp_min_(0)
    if power != 2:
        return step, (norm - 1) / 4
    return step, (x.shape[1] * norm.square() - slope.square()) * step.square() / 2  # by curvature


def _to_probabilities(x: Tensor, power: float) -> Tensor:
    """x[B, K] = max(z - tau, 0) becomes p = x^power; returns sum p^alpha = sum p x, [B]."""
    before = x.clone()
    if power != 1:
        x.square_() if power == 2 else x.log_().mul_(power).exp_()
    return before.mul_(x).sum(1)


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
