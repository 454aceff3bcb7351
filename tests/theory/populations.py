"""The conditional risk of a layer at many laws p at once, exactly, and its minimisers.

hidden is a row of the identity per law, so that every law has its own free parameters; a batch in
which class y stands n_y times has the exact risk at p = n / sum(n); draws of negatives are
enumerated with their probabilities.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from profiler.losses import build

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
FROM_ITS_START = ("adaptive_softmax",)  # at 0, products of two factors do not move


class Fixed(nn.Module):
    """A proposal that draws what it is told, once or for each row, with the log q of another."""

    def __init__(self, q: torch.Tensor) -> None:
        super().__init__()
        self.q = q
        self.drawn: tuple[int, ...] = ()

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        del generator
        return torch.tensor(self.drawn).repeat(n // len(self.drawn))

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        return self.q.log()[ids]


class Population:
    """A loss over C classes at `n_laws` laws; its parameters start at 0, its negatives follow q."""

    def __init__(self, loss: str, q: torch.Tensor, n_laws: int = 1, **settings: Any) -> None:
        self.q, self.n_laws = q, n_laws
        self.layer = build(loss, n_laws, len(q), bias=False, **settings).double()
        self.is_sampled = hasattr(self.layer, "proposal")
        if self.is_sampled:
            self.layer.proposal = Fixed(q)
        if loss not in FROM_ITS_START:
            with torch.no_grad():
                for parameter in self.layer.parameters():
                    parameter.zero_()

    @property
    def hidden(self) -> torch.Tensor:
        return torch.eye(self.n_laws, dtype=torch.double)

    @property
    def weight(self) -> nn.Parameter:
        """The class weights[C, laws]: the scores, of a loss whose scores are free."""
        rows = getattr(self.layer, "weight_rows", None)
        return self.layer.weight if rows is None else rows.weight

    def set_scores(self, scores: torch.Tensor) -> None:
        """scores[laws, C]."""
        with torch.no_grad():
            self.weight.copy_(scores.t())

    def draws(self) -> Iterator[float]:
        """Every multiset of draws in turn, set in the layer; yields its probability."""
        if not self.is_sampled:
            yield 1.0
            return
        classes = [j for j, chance in enumerate(self.q.tolist()) if chance]
        n_drawn = getattr(self.layer, "pool_size", None) or self.layer.n_negatives
        for drawn in itertools.combinations_with_replacement(classes, n_drawn):
            self.layer.proposal.drawn = drawn
            yield chance_of(drawn, self.q)

    def risk(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """Mean loss of a batch, expected over the draws."""
        total = torch.zeros((), dtype=torch.double)
        for probability in self.draws():
            total = total + probability * self.layer(hidden, target)
        return total

    def risks(self, counts: torch.Tensor) -> torch.Tensor:
        """Of each law its risk, where class y has p = counts[law, y] / sum."""
        batches = [batch(counts, law) for law in range(self.n_laws)]
        return torch.stack([self.risk(*each).detach() for each in batches])

    def minimise(self, counts: torch.Tensor) -> torch.Tensor:
        """scores[laws, C] of least risk for counts[laws, C] of equal sums, by L-BFGS."""
        return self.minimise_batch(*batch(counts))

    def minimise_batch(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The same of any batch."""
        return self.minimise_risk(lambda: self.risk(hidden, target))

    def minimise_risk(self, risk: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The same of any risk."""
        optimiser = torch.optim.LBFGS(
            self.layer.parameters(),
            max_iter=1000,
            tolerance_grad=1e-9,
            tolerance_change=1e-13,
            history_size=30,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            self.layer.zero_grad()
            found = self.n_laws * risk()
            found.backward()
            return found

        optimiser.step(closure)
        return self.layer.scores(self.hidden).detach()

    def gradients(self, target: torch.Tensor) -> torch.Tensor:
        """[laws, C]: of each row's loss in its scores, for the draws that are set now."""
        loss = self.n_laws * self.layer(self.hidden, target)
        (found,) = torch.autograd.grad(loss, self.weight)
        return (found.to_dense() if found.is_sparse else found).t()

    def gradient_moments(self, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean[laws, C] and total variance[laws] of the gradients over the draws, exactly."""
        mean = torch.zeros(self.n_laws, len(self.q), dtype=torch.double)
        square = torch.zeros(self.n_laws, dtype=torch.double)
        for probability in self.draws():
            found = self.gradients(target)
            mean += probability * found
            square += probability * found.square().sum(1)
        return mean, square - mean.square().sum(1)


def batch(counts: torch.Tensor, law: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """hidden and targets in which every law, or one, has its classes as often as counted."""
    rows, classes = counts.nonzero(as_tuple=True)
    if law is not None:
        rows, classes = rows[rows == law], classes[rows == law]
    times = counts[rows, classes]
    hidden = torch.eye(len(counts), dtype=torch.double)
    return hidden[rows.repeat_interleave(times)], classes.repeat_interleave(times)


def centred(scores: torch.Tensor) -> torch.Tensor:
    return scores - scores.mean(-1, keepdim=True)


def random_counts(
    n_laws: int, n_classes: int, *, seed: int = 0, total: int = 60, zeros: bool = False
) -> torch.Tensor:
    """Counts[laws, C] of equal sums. In every third law two classes nearly tie, and with `zeros`
    in every other law about a third of the classes have none; else all have at least one."""
    generator = torch.Generator().manual_seed(1000 * seed + n_classes)
    mass = torch.rand(n_laws, n_classes, generator=generator).square() + 0.02
    if zeros:
        absent = torch.rand(n_laws, n_classes, generator=generator) < 0.33
        absent[1::2] = False
        absent[:, :2] = False
        mass[absent] = 0
    mass[::3, 1] = mass[::3, 0]
    counts = (mass > 0).long()
    for law in range(n_laws):
        left = total - int(counts[law].sum())
        drawn = torch.multinomial(mass[law], left, replacement=True, generator=generator)
        counts[law] += torch.bincount(drawn, minlength=n_classes)
    for law in range(0, n_laws, 3):
        both = int(counts[law, :2].sum())
        if both > 2:
            counts[law, 0], counts[law, 1] = both // 2 + 1, both - both // 2 - 1
    return counts


def random_q(seed: int, n_classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 + seed)
    mass = torch.rand(n_classes, generator=generator, dtype=torch.double) + 0.1
    return mass / mass.sum()


def uniform(n_classes: int) -> torch.Tensor:
    return torch.full((n_classes,), 1 / n_classes, dtype=torch.double)


def probabilities(counts: torch.Tensor) -> torch.Tensor:
    """p[laws, C]."""
    return counts.double() / counts.sum(-1, keepdim=True)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


def chance_of(drawn: tuple[int, ...], q: torch.Tensor) -> float:
    """Of a multiset of independent draws from q."""
    ways = math.factorial(len(drawn))
    for multiplicity in Counter(drawn).values():
        ways //= math.factorial(multiplicity)
    return ways * math.prod(float(q[j]) for j in drawn)
