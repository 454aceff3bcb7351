"""The conditional risk of a layer at a given p, exactly, and its minimiser over free scores.

A layer with hidden = 0 has its class biases as scores. A batch in which class y stands n_y times
has the exact risk at p = n / sum(n); draws are enumerated with their probabilities.
"""

import itertools
import math
from collections import Counter
from typing import Any

import torch
from torch import nn

from profiler.losses import build


class Fixed(nn.Module):
    """A proposal that draws what it is told, with the log q of another."""

    def __init__(self, q: torch.Tensor) -> None:
        super().__init__()
        self.q = q
        self.drawn: tuple[int, ...] = ()

    def sample(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        del generator
        return torch.tensor(self.drawn).repeat_interleave(n // len(self.drawn))

    def log_q(self, ids: torch.Tensor) -> torch.Tensor:
        return self.q.log()[ids]


class Population:
    """A loss over C classes at q; `layer` has free biases, starting at 0."""

    def __init__(self, loss: str, q: torch.Tensor, **settings: Any) -> None:
        self.q, n_classes = q, len(q)
        self.layer = build(loss, 1, n_classes, **settings).double()
        self.n_drawn = settings.get("n_negatives", 0)
        if self.n_drawn:
            self.layer.proposal = Fixed(q)
        with torch.no_grad():
            self.bias.zero_()

    @property
    def bias(self) -> torch.Tensor:
        if hasattr(self.layer, "bias_rows"):
            return self.layer.bias_rows.weight
        return self.layer.bias

    @property
    def scores(self) -> torch.Tensor:
        return self.bias.detach().view(-1)

    def risk(self, counts: torch.Tensor) -> torch.Tensor:
        """Expected loss where class y has p = counts[y] / sum(counts)."""
        target = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return self.risk_of(torch.zeros(len(target), 1, dtype=torch.double), target)

    def risk_of(self, hidden: torch.Tensor, target: Any) -> torch.Tensor:
        """Expected loss of a batch over the draws."""
        if not self.n_drawn:
            return self.layer(hidden, target)
        total = torch.zeros((), dtype=torch.double)
        for drawn in itertools.combinations_with_replacement(range(len(self.q)), self.n_drawn):
            self.layer.proposal.drawn = drawn
            total = total + _probability(drawn, self.q) * self.layer(hidden, target)
        return total

    def minimise(self, counts: torch.Tensor) -> torch.Tensor:
        """The scores of least risk, by L-BFGS from 0."""
        target = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return self.minimise_of(torch.zeros(len(target), 1, dtype=torch.double), target)

    def minimise_of(self, hidden: torch.Tensor, target: Any) -> torch.Tensor:
        optimiser = torch.optim.LBFGS(
            [self.bias],
            max_iter=200,
            tolerance_grad=1e-10,
            tolerance_change=1e-14,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            self.layer.zero_grad()
            risk = self.risk_of(hidden, target)
            risk.backward()
            return risk

        optimiser.step(closure)
        return self.scores


def gradient(layer: nn.Module, bias: torch.Tensor, target: int) -> torch.Tensor:
    """The gradient of one example's loss in its scores."""
    loss = layer(torch.zeros(1, 1, dtype=torch.double), torch.tensor([target]))
    (found,) = torch.autograd.grad(loss, bias)
    return (found.to_dense() if found.is_sparse else found).view(-1)


def centred(scores: torch.Tensor) -> torch.Tensor:
    return scores - scores.mean()


def random_counts(seed: int, n_classes: int, total: int = 60) -> torch.Tensor:
    """Counts of classes, each at least 1."""
    generator = torch.Generator().manual_seed(seed)
    mass = torch.rand(n_classes, generator=generator).square() + 0.02
    drawn = torch.multinomial(mass, total - n_classes, replacement=True, generator=generator)
    return 1 + torch.bincount(drawn, minlength=n_classes)


def random_q(seed: int, n_classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 + seed)
    mass = torch.rand(n_classes, generator=generator, dtype=torch.double) + 0.1
    return mass / mass.sum()


def _probability(drawn: tuple[int, ...], q: torch.Tensor) -> float:
    """Of a multiset of independent draws."""
    ways = math.factorial(len(drawn))
    for multiplicity in Counter(drawn).values():
        ways //= math.factorial(multiplicity)
    return ways * math.prod(float(q[j]) for j in drawn)
