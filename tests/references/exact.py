"""Naive formulas of the losses over all classes, written from the theory alone."""

import torch

from profiler.losses.testing import Batch, Reference, Row


def cross_entropy(s: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return s.logsumexp(1) - s[range(len(s)), target]


def softmax(batch: Batch) -> torch.Tensor:
    return cross_entropy(batch.scores, batch.target)


def cooled_scores(temperature: float, cosine: bool) -> Reference:
    """hidden weight^T / temperature + bias, [B, C], of vectors of length 1 with `cosine`."""

    def scores(batch: Batch) -> torch.Tensor:
        hidden, weight = batch.hidden, batch.parameters["weight"]
        if cosine:
            hidden = hidden / (hidden**2).sum(1, keepdim=True).sqrt()
            weight = weight / (weight**2).sum(1, keepdim=True).sqrt()
        return hidden @ weight.t() / temperature + batch.parameters["bias"]

    return scores


def cooled_softmax(temperature: float, cosine: bool) -> Reference:
    scores = cooled_scores(temperature, cosine)
    return lambda batch: cross_entropy(scores(batch), batch.target)


def smoothed_softmax(part: float) -> Reference:
    """Cross-entropy against (1 - part) of the target and `part` spread evenly."""

    def loss(batch: Batch) -> torch.Tensor:
        log_p = batch.scores - batch.scores.logsumexp(1, keepdim=True)
        wanted = torch.full_like(log_p, part / log_p.shape[1])
        wanted[range(len(log_p)), batch.target] += 1 - part
        return -(wanted * log_p).sum(1)

    return loss


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


def rgx(batch: Batch) -> torch.Tensor:
    s = batch.scores
    return -s[range(len(s)), batch.target] + s.mean(1) + ((s**2).mean(1) - s.mean(1) ** 2) / 2


def entmax(alpha: float) -> Reference:
    """s.p - Omega(p) - s_y at the p that maximises it, its threshold found by bisection."""

    def loss(batch: Batch) -> torch.Tensor:
        s = batch.scores
        z = (alpha - 1) * s.detach()
        low, high = z.max(1).values - 1, z.max(1).values
        for _ in range(60):
            middle = (low + high) / 2
            p = (z - middle[:, None]).clamp(min=0) ** (1 / (alpha - 1))
            is_low = p.sum(1) >= 1
            low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
        omega = ((p**alpha).sum(1) - 1) / (alpha * (alpha - 1))
        return (s * p).sum(1) - omega - s[range(len(s)), batch.target]

    return loss


def rankmax(batch: Batch) -> torch.Tensor:
    s = batch.scores
    target = s[range(len(s)), batch.target]
    return (s - target[:, None] + 1).clamp(min=0).sum(1).log()


ROWS = (
    Row("softmax", "softmax", softmax),
    Row(
        "softmax-temperature",
        "softmax",
        cooled_softmax(0.3, cosine=False),
        {"temperature": 0.3},
        cooled_scores(0.3, cosine=False),
    ),
    Row(
        "softmax-cosine",
        "softmax",
        cooled_softmax(0.1, cosine=True),
        {"temperature": 0.1, "cosine": True},
        cooled_scores(0.1, cosine=True),
    ),
    Row("softmax-smoothing", "softmax", smoothed_softmax(0.2), {"label_smoothing": 0.2}),
    Row("sparsemax", "sparsemax", sparsemax),
    Row("entmax", "entmax", entmax(1.5)),
    Row("entmax-alpha-1.25", "entmax", entmax(1.25), {"alpha": 1.25}),
    Row("entmax-alpha-2", "entmax", entmax(2.0), {"alpha": 2.0}),
    Row("rankmax", "rankmax", rankmax),
    Row("rg2", "rg2", rg2),
    Row("rgx", "rgx", rgx),
)
