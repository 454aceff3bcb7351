"""Sampled losses: how a training step grows with the classes, what it costs over its bare floor,
and popularity draws per second.

A step is draw, forward, backward and the row-wise Adam of a trial: 1024 shared negatives by
popularity, 64 dimensions, float32. Its floor is what no such step can go without: the same number
of rows gathered, three matrix products, and the rows' gradients scattered by `index_add_`, as in
plain SGD. Targets and draws spread over all classes (counts without skew), the hard case: with
Zipf counts most rows would lie in the cache.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.loss_timing.interleave import Row, Timing, interleaved
from profiler.losses import build
from profiler.optimiser import optimisers
from profiler.proposals import Popularity

LOSSES = ("sampled_softmax", "nce", "negative_sampling", "bpr")
BATCHES, DIM, NEGATIVES = (512, 2048), 64, 1024
FEW, MANY = 10_000, 1_000_000
N_DRAWN_BEFORE = 64  # batches, then gone round
GROWTH_GOAL, FLOOR_GOAL = 1.3, 2.3
DRAWS, DRAWS_GOAL = 2**20, 20.0  # in millions a second, on one core


def measure(threads: int, pairs: int) -> Iterator[Row]:
    """Growth and ratio to the floor of every sampled loss; draws per second on one thread."""
    torch.set_num_threads(threads)
    for batch in BATCHES:
        for name in LOSSES:
            yield from _step_rows(name, batch, pairs)
    if threads == 1:
        for n_classes in (FEW, 100_000, MANY):
            yield from _draw_rows(n_classes, pairs)


def _step_rows(name: str, batch: int, pairs: int) -> Iterator[Row]:
    cases = {f"{name}, N={n}": training_step(name, batch, n) for n in (FEW, MANY)}
    cases |= {f"floor, N={n}": bare_floor(batch, n) for n in (FEW, MANY)}
    for step in cases.values():  # the optimiser's state is made in the first one
        step()
    timing = interleaved(cases, pairs)
    shape = f"B={batch} K={NEGATIVES} D={DIM}"
    step, floor = f"{name}, N=", "floor, N="
    yield _row(shape, floor + str(FEW), timing)
    yield _row(shape, floor + str(MANY), timing, floor + str(FEW))
    for n in (FEW, MANY):
        yield _row(shape, f"{step}{n}", timing, f"{floor}{n}", FLOOR_GOAL)
    yield _row(shape, f"{step}{MANY}", timing, f"{step}{FEW}", GROWTH_GOAL)


def training_step(name: str, batch: int, n_classes: int) -> Callable[[], None]:
    """One step of a trial's output layer and its optimisers, on the next of the drawn batches."""
    generator = torch.Generator().manual_seed(0)
    layer = build(
        name,
        DIM,
        n_classes,
        class_counts=torch.randint(1, 100, (n_classes,), generator=generator),
        generator=generator,
        proposal="popularity",
        n_negatives=NEGATIVES,
        negatives="shared",
    )
    updates = optimisers([layer], 1e-3, 1e-5)
    hidden = torch.randn(batch, DIM, generator=generator).requires_grad_()
    targets = torch.randint(n_classes, (N_DRAWN_BEFORE, batch), generator=generator)
    n_steps = 0

    def step() -> None:
        nonlocal n_steps
        hidden.grad = None
        for optimiser in updates:
            optimiser.zero_grad(set_to_none=True)
        layer(hidden, targets[n_steps % N_DRAWN_BEFORE]).backward()
        for optimiser in updates:
            optimiser.step()
        n_steps += 1

    return step


def bare_floor(batch: int, n_classes: int) -> Callable[[], None]:
    """Gather, three matrix products, scatter; the rows are drawn before."""
    generator = torch.Generator().manual_seed(1)
    table = 0.01 * torch.randn(n_classes, DIM, generator=generator)
    hidden = torch.randn(batch, DIM, generator=generator)
    ids = torch.randint(n_classes, (N_DRAWN_BEFORE, batch + NEGATIVES), generator=generator)
    n_steps = 0

    def step() -> None:
        nonlocal n_steps
        rows = ids[n_steps % N_DRAWN_BEFORE]
        gathered = table.index_select(0, rows)
        negatives = gathered[batch:]
        scores = hidden @ negatives.t()
        torch.mm(scores, negatives)
        torch.mm(scores.t(), hidden, out=negatives)
        table.index_add_(0, rows, gathered, alpha=-1e-9)
        n_steps += 1

    return step


def _draw_rows(n_classes: int, pairs: int) -> Iterator[Row]:
    """Popularity draws beside torch.multinomial's, on Zipf counts."""
    proposal = Popularity((1e7 / torch.arange(1, n_classes + 1)).long(), 1.0)
    chance = proposal.log_q(torch.arange(n_classes)).exp()
    generator = torch.Generator().manual_seed(0)

    def draw(n: int) -> None:
        proposal.sample(n, generator)

    def draw_by_torch(n: int) -> None:
        torch.multinomial(chance, n, replacement=True, generator=generator)

    for n, goal_here in ((NEGATIVES, None), (DRAWS, DRAWS_GOAL)):  # a step's, then many
        cases = {"popularity": partial(draw, n), "torch.multinomial": partial(draw_by_torch, n)}
        timing = interleaved(cases, max(3, pairs // 4))
        for case, goal in (("popularity", goal_here), ("torch.multinomial", None)):
            took = timing[case]
            millions = n / took.median / 1e6
            yield Row(
                section="sampled",
                shape=f"{n} draws N={n_classes}",
                case=case,
                seconds=took.median,
                low=took.low,
                high=took.high,
                ratio=millions,
                ratio_to="million a second",
                goal=goal,
                met=None if goal is None else millions >= goal,
                at_least=True,
            )


def _row(
    shape: str,
    case: str,
    timing: dict[str, Timing],
    reference: str | None = None,
    goal: float | None = None,
) -> Row:
    took = timing[case]
    ratio = None if reference is None else took.median / timing[reference].median
    return Row(
        section="sampled",
        shape=shape,
        case=case,
        seconds=took.median,
        low=took.low,
        high=took.high,
        ratio=ratio,
        ratio_to=reference or "",
        goal=goal,
        met=None if ratio is None or goal is None else ratio <= goal,
    )
