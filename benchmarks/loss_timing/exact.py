"""Losses over all classes: a step beside torch's own forms and beside its matrix products.

A step is forward and backward with gradients for hidden and class parameters, float32, D = 64.
"""

import importlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.loss_timing.interleave import Row, Timing, interleaved
from profiler.losses import build, names

DIM = 64
TORCH_CHUNKS = (64, 128, 256)  # rows; torch's own choice is 2 to 2.5 times slower than no chunks
PRODUCTS, PLAIN = "three matrix products", "torch cross_entropy"
SORTED = "the entmax package's sort"
DEVIATIONS = (0.01, 1.0, 5.0)  # of the scores
SORT_FREE = ("sparsemax", "entmax", "rankmax")  # whose time depends on the deviation


class Shape(NamedTuple):
    """B rows, N classes, the part of the asked pairs that is run, the goal of rg2 and rgx."""

    n_rows: int
    n_classes: int
    part: float
    gram_goal: float | None

    def __str__(self) -> str:
        return f"B={self.n_rows} N={self.n_classes} D={DIM}"


SHAPES = (
    Shape(512, 10_000, 1.0, None),
    Shape(2048, 50_000, 0.5, 0.06),
    Shape(256, 500_000, 0.25, 0.25),
)
Step = Callable[[], None]


def measure(threads: int, pairs: int) -> Iterator[Row]:
    """Softmax against torch, rg2 and rgx against softmax; sparse losses at three deviations."""
    torch.set_num_threads(threads)
    for shape in SHAPES:
        rounds = max(1, round(shape.part * pairs))
        yield from _against_torch(shape, rounds)
        for deviation in DEVIATIONS:
            yield from _sparse(shape, deviation, rounds)
    if find_spec("entmax"):
        yield from _against_sorting(pairs)


def _against_torch(shape: Shape, pairs: int) -> Iterator[Row]:
    torch.manual_seed(0)
    hidden, target = _batch(shape)
    layers = {name: _layer(name, shape, 1.0) for name in ("softmax", "rg2", "rgx")}
    weight, bias = layers["softmax"].weight, layers["softmax"].bias
    cases: dict[str, Step] = {
        f"{PRODUCTS}, {rows} rows": _products(hidden, weight, rows)
        for rows in sorted({*TORCH_CHUNKS, shape.n_rows})
    }
    parameters = (hidden, weight, bias)
    cases[PLAIN] = _step(
        lambda: F.cross_entropy(F.linear(hidden, weight, bias), target), parameters
    )
    for rows in TORCH_CHUNKS:
        cases[f"torch linear_cross_entropy, {rows} rows"] = _step(
            _linear_cross_entropy(hidden, target, weight, bias, rows), parameters
        )
    cases |= {name: _layer_step(layer, hidden, target) for name, layer in layers.items()}
    timings = interleaved(cases, pairs)
    floor, torch_best = (
        min((name for name in timings if name.startswith(start)), key=lambda n: timings[n].median)
        for start in (PRODUCTS, "torch")
    )
    for name in timings:
        if name not in layers:
            yield _row(shape, pairs, name, timings, floor)
    yield _row(shape, pairs, "softmax", timings, floor, 1.5)
    yield _row(shape, pairs, "softmax", timings, torch_best, 1.0)
    for name in ("rg2", "rgx"):
        yield _row(shape, pairs, name, timings, "softmax", shape.gram_goal)


def _sparse(shape: Shape, deviation: float, pairs: int) -> Iterator[Row]:
    torch.manual_seed(0)
    hidden, target = _batch(shape)
    losses = [name for name in SORT_FREE if name in names()]
    cases = {
        name: _layer_step(_layer(name, shape, deviation), hidden, target)
        for name in ("softmax", *losses)
    }
    cases[PRODUCTS] = _products(hidden, build("softmax", DIM, shape.n_classes).weight, 64)
    timings = interleaved(cases, pairs)
    goals = {"sparsemax": 0.9, "entmax": 1.2 if deviation < 1 else 0.6}
    for name in losses:
        yield _row(
            shape, pairs, name, timings, "softmax", goals.get(name), f", deviation {deviation}"
        )


def _against_sorting(pairs: int) -> Iterator[Row]:
    """The loss part alone (one feature, so that no matrix product counts) against entmax's sort."""
    package: Any = importlib.import_module("entmax")
    sorting = {"sparsemax": package.sparsemax_loss, "entmax": package.entmax15_loss}
    for n_rows, n_classes in ((512, 10_000), (128, 50_000)):
        shape = Shape(n_rows, n_classes, 0.25, None)
        for name in (name for name in sorting if name in names()):
            rounds = max(1, round(shape.part * pairs))
            timings = interleaved(_loss_parts(name, sorting[name], shape), rounds)
            yield _row(shape, rounds, name, timings, SORTED, 1 / 8, ", loss part")


def _loss_parts(name: str, sort_loss: Callable[..., torch.Tensor], shape: Shape) -> dict[str, Step]:
    torch.manual_seed(0)
    hidden = torch.randn(shape.n_rows, 1, requires_grad=True)
    target = torch.randint(shape.n_classes, (shape.n_rows,))
    layer = build(name, 1, shape.n_classes)
    nn.init.normal_(layer.weight)
    scores = layer.scores(hidden).detach().requires_grad_()
    sort_step = _step(lambda: sort_loss(scores, target).mean(), (scores,))
    return {name: _layer_step(layer, hidden, target), SORTED: sort_step}


def _batch(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    hidden = torch.randn(shape.n_rows, DIM, requires_grad=True)
    return hidden, torch.randint(shape.n_classes, (shape.n_rows,))


def _layer(name: str, shape: Shape, deviation: float) -> nn.Module:
    """A layer whose scores of a standard normal hidden have this standard deviation."""
    layer = build(name, DIM, shape.n_classes)
    nn.init.normal_(layer.weight, std=deviation / DIM**0.5)
    return layer


def _layer_step(layer: nn.Module, hidden: torch.Tensor, target: torch.Tensor) -> Step:
    return _step(lambda: layer(hidden, target), (hidden, *layer.parameters()))


def _step(loss: Callable[[], torch.Tensor], parameters: tuple[torch.Tensor, ...]) -> Step:
    def step() -> None:
        for parameter in parameters:
            parameter.grad = None
        loss().backward()

    return step


def _linear_cross_entropy(
    hidden: torch.Tensor, target: torch.Tensor, weight: Any, bias: Any, rows: int
) -> Callable[[], torch.Tensor]:
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=rows)
    return lambda: F.linear_cross_entropy(hidden, weight, target, linear_bias=bias, options=options)


def _products(hidden: torch.Tensor, weight: Any, rows: int) -> Step:
    """Scores, and the products of both gradients, in chunks of rows, into memory that is there."""
    h, w = hidden.detach(), weight.detach()
    scores = h.new_empty(min(rows, len(h)), len(w))
    hidden_grad, weight_grad = torch.empty_like(h), torch.zeros_like(w)

    def products() -> None:
        for start in range(0, len(h), rows):
            chunk = h[start : start + rows]
            s = scores[: len(chunk)]
            torch.mm(chunk, w.t(), out=s)
            torch.mm(s, w, out=hidden_grad[start : start + rows])
            weight_grad.addmm_(s.t(), chunk, beta=min(start, 1))

    return products


def _row(
    shape: Shape,
    pairs: int,
    case: str,
    timings: dict[str, Timing],
    ratio_to: str,
    goal: float | None = None,
    condition: str = "",
) -> Row:
    timing = timings[case]
    ratio = timing.median / timings[ratio_to].median
    return Row(
        section="exact",
        shape=str(shape),
        case=case + condition,
        seconds=timing.median,
        low=timing.low,
        high=timing.high,
        ratio=ratio,
        ratio_to=ratio_to,
        goal=goal,
        met=None if goal is None else ratio <= goal,
        pairs=pairs,
    )
