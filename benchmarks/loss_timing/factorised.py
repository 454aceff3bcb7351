"""Losses that factorise the probability: how a step grows with the classes, against softmax.

A step is forward, backward and the optimisers of a trial, on Zipf targets (chance 1 / rank, ids
shuffled), 512 rows, 64 dimensions.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.loss_timing.interleave import Row, Timing, interleaved
from profiler.losses import build
from profiler.optimiser import optimisers

ROWS, DIM = 512, 64
N_BATCHES = 50  # drawn before, then gone round
FEW, SOME, MANY = 10_000, 50_000, 1_000_000
GROWTH_GOAL, BUILD_GOAL_SECONDS = 1.6, 10.0


def measure(threads: int, pairs: int) -> Iterator[Row]:
    """Growth of a hierarchical step, its steps and adaptive ones against softmax, Huffman trees."""
    torch.set_num_threads(threads)
    yield from _growth(pairs)
    yield from _against_softmax(pairs)
    yield _huffman_seconds()


def _growth(pairs: int) -> Iterator[Row]:
    for tree in ("huffman", "balanced"):
        steps = {f"N={n}": training_step("hierarchical_softmax", n, tree=tree) for n in (FEW, MANY)}
        timings = interleaved(steps, pairs)
        few, many = (timings[f"N={n}"] for n in (FEW, MANY))
        goal = GROWTH_GOAL if tree == "huffman" else None
        case = f"hierarchical_softmax, {tree}"
        yield _row(few, FEW, case)
        yield _row(many, MANY, case, ratio_to=(f"N={FEW}", few), goal=goal)


def _against_softmax(pairs: int) -> Iterator[Row]:
    names = ("softmax", "hierarchical_softmax", "adaptive_softmax")
    timings = interleaved({name: training_step(name, SOME) for name in names}, pairs)
    for name in names:
        reference = None if name == "softmax" else ("softmax", timings["softmax"])
        yield _row(timings[name], SOME, name, ratio_to=reference, goal=reference and 1.0)


def _huffman_seconds() -> Row:
    counts = zipf_counts(MANY)
    started = time.perf_counter()
    build("hierarchical_softmax", 1, MANY, class_counts=counts)
    seconds = time.perf_counter() - started
    return Row(
        section="factorised",
        shape=f"N={MANY}",
        case="Huffman tree, built once",
        seconds=seconds,
        low=seconds,
        high=seconds,
        ratio=seconds,
        ratio_to="1 s",
        goal=BUILD_GOAL_SECONDS,
        met=seconds <= BUILD_GOAL_SECONDS,
    )


def zipf_counts(n_classes: int) -> torch.Tensor:
    """Counts that fall as 1 / rank, at least 1, in an order that says nothing."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(n_classes, generator=generator)
    return (1e7 / torch.arange(1, n_classes + 1)).long()[order].clamp_min(1)


def training_step(name: str, n_classes: int, **settings: Any) -> Callable[[], None]:
    """One step of a trial's output layer and its optimisers, on the next of the drawn batches."""
    torch.manual_seed(0)
    counts = zipf_counts(n_classes)
    layer = build(name, DIM, n_classes, class_counts=counts, **settings)
    updates = optimisers([layer], 1e-3, 1e-5)
    hidden = torch.randn(ROWS, DIM, requires_grad=True)
    targets = torch.multinomial(counts.double(), ROWS * N_BATCHES, replacement=True)
    batches = itertools.cycle(targets.view(N_BATCHES, ROWS))

    def step() -> None:
        hidden.grad = None
        for optimiser in updates:
            optimiser.zero_grad(set_to_none=True)
        layer(hidden, next(batches)).backward()
        for optimiser in updates:
            optimiser.step()

    step()  # the optimiser's state is made in the first one
    return step


def _row(
    timing: Timing,
    n_classes: int,
    case: str,
    *,
    ratio_to: tuple[str, Timing] | None = None,
    goal: float | None = None,
) -> Row:
    ratio = None if ratio_to is None else timing.median / ratio_to[1].median
    return Row(
        section="factorised",
        shape=f"B={ROWS} N={n_classes} D={DIM}",
        case=case,
        seconds=timing.median,
        low=timing.low,
        high=timing.high,
        ratio=ratio,
        ratio_to="" if ratio_to is None else ratio_to[0],
        goal=goal,
        met=None if ratio is None or goal is None else ratio <= goal,
    )
