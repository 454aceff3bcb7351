"""diagnose: what a loss's gradient is like at fixed parameters, on a batch of the user's own data.

The gradient is that of one batch in its hidden vectors and in all parameters of the output layer.
Beside it stands the exact gradient of softmax cross-entropy over the same layer's scores, at the
same parameters, made in chunks of rows.
"""

import copy
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import nn

from advisor.catalogue import known_losses
from advisor.evidence import Diagnosis, GradientAgreement, Support
from advisor.value import Interval, Value

MORE_NEGATIVES = 4  # times the layer's own, measured beside them
_OPTIMUM_MOVES = ("negative_sampling",)  # with the number of negatives, by its logarithm
_CHUNK_SCORES = 2**23  # held at a time, or those of 8 rows
_SUPPORT_ROWS = 64

Gradient = tuple[torch.Tensor, ...]
"""In hidden[B, D], then in each parameter; sparse ones are coalesced."""


def diagnose(
    layer: nn.Module,
    hidden: torch.Tensor,
    target: torch.Tensor,
    *,
    draws: int = 20,
    generator: torch.Generator | None = None,
) -> Diagnosis:
    """Bias, variance and cosine of the layer's gradient against softmax's, and its support.

    hidden[B, D], target[B] classes, any layer that `profiler.losses.build` makes; its parameters
    stay as they are. One that draws is measured `draws` times with its own number of negatives and
    as often with four times as many (C at most), from `generator` or else its own. Time: two
    matrix products of B x C x D and 2 x `draws` steps; memory: four gradients of C x D beside the
    layer, and the scores of a few rows.
    Raises ValueError for fewer than 2 draws, and as the layer does for bad input.
    """
    return list(diagnoses(layer, hidden, target, draws=draws, generator=generator))[-1]


def diagnoses(
    layer: nn.Module,
    hidden: torch.Tensor,
    target: torch.Tensor,
    *,
    draws: int = 20,
    generator: torch.Generator | None = None,
) -> Iterator[Diagnosis]:
    """The same part by part, for who may be out of time: each holds the one before, and more."""
    if not isinstance(target, torch.Tensor):
        raise ValueError("target must hold one class per row; expand several positives to rows")
    if draws < 2:
        raise ValueError(f"draws={draws}; at least 2 are needed to see a variance")
    hidden = hidden.detach()
    _variant(layer, None, generator)(hidden, target)  # refuses bad input
    n_classes: int = vars(layer)["n_classes"]
    found = Diagnosis(n_rows=len(target), n_classes=n_classes)
    found = noted(found, "support", _support(layer, hidden, target))
    yield found
    exact = _exact(layer, hidden, target)
    if isinstance(exact, str):
        found = noted(found, "agreement", exact)
        yield noted(found, "more_negatives", exact)
        return
    own, more = _negatives(layer, len(target))
    gradients = _gradients(layer, hidden, target, None, draws if own else 1, generator)
    found = noted(found, "agreement", _agreement(gradients, exact, own))
    yield found
    if isinstance(more, str):
        yield noted(found, "more_negatives", more)
        return
    gradients = _gradients(layer, hidden, target, more, draws, generator)
    yield noted(found, "more_negatives", _agreement(gradients, exact, more))


def smoothness(
    layer: nn.Module,
    hidden: Callable[[], torch.Tensor],
    target: torch.Tensor,
    step: Callable[[], object],
    *,
    n_steps: int = 5,
    seed: int = 0,
) -> Interval | str:
    """|g(t + 1) - g(t)| / |theta(t + 1) - theta(t)| of one batch along the path of `step`.

    theta are the batch's hidden vectors, `hidden()`, and the layer's parameters, g the batch's
    gradient in them, with the same draws at every step. Returns least, median and greatest of
    `n_steps` steps, or the reason why there is none. Memory: five copies of the parameters.
    """
    before = _Point.of(layer, hidden(), target, seed)
    ratios: list[float] = []
    for _ in range(n_steps):
        step()
        after = _Point.of(layer, hidden(), target, seed)
        way = _distance(before.theta, after.theta)
        ratios.append(_distance(before.gradient, after.gradient) / way if way else math.nan)
        before = after
    if not all(map(math.isfinite, ratios)):
        return "the parameters did not move, or the gradient was not finite"
    return Interval(low=min(ratios), mean=statistics.median(ratios), high=max(ratios))


class _Point(NamedTuple):
    """Where a training stands, and the gradient there."""

    theta: Gradient
    gradient: Gradient

    @classmethod
    def of(cls, layer: Any, hidden: torch.Tensor, target: torch.Tensor, seed: int) -> Self:
        generator = torch.Generator(hidden.device).manual_seed(seed)
        (gradient,) = _gradients(layer, hidden, target, None, 1, generator)
        return cls(tuple(x.detach().clone() for x in _inputs(layer, hidden)), gradient)


def _gradients(
    layer: Any,
    hidden: torch.Tensor,
    target: torch.Tensor,
    n_negatives: int | None,
    draws: int,
    generator: torch.Generator | None,
) -> Iterator[Gradient]:
    """The gradient of the layer's own loss, `draws` times; `n_negatives` None: its own number."""
    variant = _variant(layer, n_negatives, generator)
    inputs = _inputs(variant, hidden.detach().requires_grad_())
    for _ in range(draws):
        found = torch.autograd.grad(variant(inputs[0], target), inputs, materialize_grads=True)
        yield tuple(g.coalesce() if g.is_sparse else g for g in found)


def _negatives(layer: Any, n_rows: int) -> tuple[int | None, int | str]:
    """How many classes are drawn, None where nothing is; and how many more, or why not."""
    own: int | None = getattr(layer, "n_negatives", None)
    if own is None:
        return None, "nothing is drawn"
    proposal = getattr(layer, "proposal", None)
    if getattr(proposal, "in_batch", False):
        return n_rows - 1, "its negatives are the batch's: a larger batch has more"
    if _name(layer) in _OPTIMUM_MOVES:
        return own, "at the same parameters another number of negatives is another loss"
    most: int = getattr(proposal, "pool_size", layer.n_classes)
    more = min(MORE_NEGATIVES * own, most)
    return own, more if more > own else f"{most} are the most"


def _variant(layer: Any, n_negatives: int | None, generator: torch.Generator | None) -> Any:
    """The layer with another number of negatives and generator: the parameters are the same."""
    variant = copy.copy(layer)
    if n_negatives is not None:
        vars(variant)["n_negatives"] = n_negatives
    if generator is not None and hasattr(layer, "generator"):
        vars(variant)["generator"] = generator
    return variant


def _exact(layer: Any, hidden: torch.Tensor, target: torch.Tensor) -> Gradient | str:
    """The gradient of softmax cross-entropy over the layer's scores; or why there is none."""
    if _family(layer) == "factorised":
        return "its parameters are those of a tree or of clusters, not of classes"
    inputs = _inputs(layer, hidden)
    total = tuple(torch.zeros_like(x) for x in inputs)
    n_rows = max(8, _CHUNK_SCORES // layer.n_classes)
    for start in range(0, len(target), n_rows):
        rows = slice(start, start + n_rows)
        part = hidden[rows].requires_grad_()
        scores = layer.scores(part)
        with torch.no_grad():
            slope = scores.softmax(1)
            slope[torch.arange(len(part)), target[rows]] -= 1
            slope /= len(target)
        first, *rest = torch.autograd.grad(
            scores, (part, *inputs[1:]), slope, materialize_grads=True
        )
        total[0][rows] = first
        for sum_, gradient in zip(total[1:], rest, strict=True):
            sum_ += gradient
    square = sum(map(_square, total))
    if not 0 < square < math.inf:
        return f"the squared norm of softmax's gradient is {square} there"
    return total


def _agreement(
    gradients: Iterable[Gradient], exact: Gradient, n_negatives: int | None
) -> GradientAgreement | str:
    """Compare the draws, one after the other, and their mean."""
    norm = math.sqrt(sum(map(_square, exact)))
    mean = tuple(torch.zeros_like(g) for g in exact)
    least = 16 * torch.finfo(exact[0].dtype).eps * norm  # below is rounding, of no direction
    cosines, squares = list[float](), list[float]()
    for gradient in gradients:
        squares.append(sum(map(_square, gradient)))
        own = math.sqrt(squares[-1])
        cosines.append(_inner(gradient, exact) / (norm * own) if own > least else math.nan)
        for sum_, part in zip(mean, gradient, strict=True):
            sum_ += part
    n = len(squares)
    for sum_ in mean:
        sum_ /= n
    mean_square = sum(map(_square, mean))
    # Not below 0 by rounding, where every draw is the same
    variance = max(0.0, statistics.fmean(squares) - mean_square) * n / max(1, n - 1)
    cosine_of_mean = _inner(mean, exact) / (norm * math.sqrt(mean_square) or math.nan)
    if not all(map(math.isfinite, (*cosines, cosine_of_mean))):
        return "its gradient is 0 or not finite there"
    return GradientAgreement(
        n_negatives=n_negatives,
        n_draws=n,
        cosine=_quartiles(cosines),
        cosine_of_mean=cosine_of_mean,
        bias=_distance(mean, exact) / norm,
        bias_floor=math.sqrt(variance / n) / norm,
        variance=variance / norm**2,
    )


def _support(layer: Any, hidden: torch.Tensor, target: torch.Tensor) -> Support | str:
    """Count the classes with a gradient in the scores of up to 64 rows, fewer where C is large.

    The scores of n rows are given to the layer as its weights, and n unit vectors as its input:
    then the gradient in its weights is that in the scores.
    """
    if _family(layer) != "exact" or not {"weight"} <= set(layer._parameters) <= {"weight", "bias"}:
        return "it does not look at every class, each with a row of weights"
    n = min(len(target), max(8, min(_SUPPORT_ROWS, _CHUNK_SCORES // layer.n_classes)))
    hidden, target = hidden[:n], target[:n]
    unit, rows = copy.copy(layer), torch.eye(n, dtype=hidden.dtype, device=hidden.device)
    with torch.no_grad():
        scores = layer.scores(hidden)
        weight = nn.Parameter(scores.t().contiguous())
        vars(unit)["_parameters"] = {"weight": weight, "bias": None}
        if hasattr(unit, "temperature"):
            unit.temperature = 1.0  # the scores have it already
        if not torch.allclose(unit.scores(rows), scores):
            return "its scores are not linear in the hidden vectors"
    (slope,) = torch.autograd.grad(unit(rows, target), weight)
    return Support(
        classes=float((slope != 0).sum(0).double().mean()),
        target_outside=_share_outside(layer, hidden, target),
    )


def _share_outside(layer: Any, hidden: torch.Tensor, target: torch.Tensor) -> float | None:
    try:
        with torch.no_grad():
            log_prob = layer.log_prob(hidden)[torch.arange(len(target)), target]
    except NotImplementedError:
        return None
    return float((log_prob == -math.inf).double().mean())


def _family(layer: Any) -> str:
    """By the card; a layer without one is taken for what it looks like."""
    known = known_losses().get(_name(layer))
    if known is not None:
        return known.card.family
    return "sampled" if hasattr(layer, "n_negatives") else "exact"


def _name(layer: Any) -> str:
    return type(layer).__module__.rpartition(".")[2]


def _inputs(layer: Any, hidden: torch.Tensor) -> Gradient:
    return (hidden, *(p for p in layer.parameters() if p.requires_grad))


def _square(g: torch.Tensor) -> float:
    values = (g.coalesce().values() if g.is_sparse else g).reshape(-1)
    return float(torch.dot(values, values))


def _inner(one: Gradient, dense: Gradient) -> float:
    total = 0.0
    for g, other in zip(one, dense, strict=True):
        if g.is_sparse:
            g, other = g.values(), other.index_select(0, g.indices()[0])
        total += float(torch.dot(g.reshape(-1), other.reshape(-1)))
    return total


def _distance(one: Gradient, other: Gradient) -> float:
    return math.sqrt(sum(_square(b - a) for a, b in zip(one, other, strict=True)))


def _quartiles(cosines: Sequence[float]) -> Interval:
    two_or_more = cosines if len(cosines) > 1 else [*cosines, *cosines]
    low, median, high = statistics.quantiles(two_or_more, n=4, method="inclusive")
    return Interval(low=low, mean=median, high=high)


def noted(found: Diagnosis, name: str, value: Value | str) -> Diagnosis:
    """With one part more, or with the reason why it is missing."""
    if isinstance(value, str):
        return found.model_copy(update={"missing": {**found.missing, name: value}})
    return found.model_copy(update={name: value})
