"""Naive formulas of the losses over all classes, written from the theory alone."""

import torch

from tests.references.row import Batch, Row


def softmax(batch: Batch) -> torch.Tensor:
    s = batch.scores
    return s.logsumexp(1) - s[range(len(s)), batch.target]


def sparsemax(batch: Batch) -> torch.Tensor:
    losses = []
    for scores, target in zip(batch.scores, batch.target, strict=True):
        falling = scores.sort(descending=True).values
        sizes = torch.arange(1, len(falling) + 1)
        inside = 1 + sizes * falling > falling.cumsum(0)
        size = int(sizes[inside].max())
        tau = (falling[:size].sum() - 1) / size
        losses.append((falling[:size] ** 2 - tau**2).sum() / 2 + 0.5 - scores[target])
    return torch.stack(losses)


def rg2(batch: Batch) -> torch.Tensor:
    s = batch.scores
    return -s[range(len(s)), batch.target] + s.mean(1) + (s**2).mean(1) / 2


ROWS = (
    Row("softmax", "softmax", softmax),
    Row("sparsemax", "sparsemax", sparsemax),
    Row("rg2", "rg2", rg2),
)
