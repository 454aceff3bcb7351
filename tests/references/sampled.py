"""Naive formulas of the losses over drawn classes, written from the theory alone."""

import math

import torch

from profiler.losses.testing import Batch, Reference, Row


def _positive(batch: Batch) -> torch.Tensor:
    return batch.scores[range(len(batch.target)), batch.target]


def _drawn(batch: Batch) -> torch.Tensor:
    """The draws of each row, [B, K]."""
    return batch.drawn if batch.drawn.ndim == 2 else batch.drawn.expand(len(batch.target), -1)


def _softmax_over(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    return torch.cat((positive[:, None], negative), dim=1).logsumexp(1) - positive


def sampled_softmax(correction: str) -> Reference:
    def loss(batch: Batch) -> torch.Tensor:
        return _corrected(batch, _drawn(batch), torch.tensor(False), correction)

    return loss


def in_batch(correction: str) -> Reference:
    """The negatives of a row are the targets of all other rows: another row, another hidden."""

    def loss(batch: Batch) -> torch.Tensor:
        drawn = batch.target.expand(len(batch.target), -1)
        same_row = (batch.hidden[:, None] == batch.hidden).all(2)
        return _corrected(batch, drawn, same_row, correction)

    return loss


def _corrected(
    batch: Batch, drawn: torch.Tensor, left_out: torch.Tensor, correction: str
) -> torch.Tensor:
    y, log_q = batch.target, batch.log_q
    positive, negative = _positive(batch), batch.scores.gather(1, drawn)
    if correction == "both":
        positive, negative = positive - log_q[y], negative - log_q[drawn]
    if correction == "importance":
        left_out = left_out | (drawn == y[:, None])
        chance = log_q[drawn].exp() / (1 - log_q[y].exp())[:, None]
        mean = (~left_out).sum(1, keepdim=True) * chance
        negative = negative - torch.where(left_out, 1.0, mean).log()
    return _softmax_over(positive, torch.where(left_out, -math.inf, negative))


def hard(n_negatives: int) -> Reference:
    """The highest scores of a pool, its classes counted once and the row's own left out."""

    def loss(batch: Batch) -> torch.Tensor:
        losses, scores = [], batch.scores
        for row, y in enumerate(batch.target.tolist()):
            pool = sorted(set(batch.drawn.tolist()) - {y})
            highest = scores[row, pool].sort(descending=True).values[:n_negatives]
            losses.append(_softmax_over(scores[row, y].view(1), highest[None])[0])
        return torch.stack(losses)

    return loss


def nce(batch: Batch) -> torch.Tensor:
    drawn = _drawn(batch)
    t = batch.scores - batch.log_q - math.log(drawn.shape[1])
    positive, negative = t[range(len(t)), batch.target], t.gather(1, drawn)
    return -torch.sigmoid(positive).log() - torch.sigmoid(-negative).log().sum(1)


def negative_sampling(batch: Batch) -> torch.Tensor:
    return gbce(0.0)(batch)


def gbce(t: float) -> Reference:
    """Binary cross-entropy, the positive's probability to the power beta (Petrov & Macdonald)."""

    def loss(batch: Batch) -> torch.Tensor:
        drawn = _drawn(batch)
        rate = drawn.shape[1] / (len(batch.log_q) - 1)
        beta = rate * (t * (1 - 1 / rate) + 1 / rate)
        positive = (torch.sigmoid(_positive(batch)) ** beta).log()
        return -positive - torch.sigmoid(-batch.scores.gather(1, drawn)).log().sum(1)

    return loss


def bpr(batch: Batch) -> torch.Tensor:
    positive, negative = _positive(batch), batch.scores.gather(1, _drawn(batch))
    return -torch.sigmoid(positive[:, None] - negative).log().mean(1)


_POPULARITY = {"proposal": "popularity", "popularity_power": 0.5}
_PER_ROW = {"negatives": "per_row"}
_HARD = {"proposal": "hard", "pool_size": 20, "n_negatives": 5, "correction": "none"}

ROWS = (
    *(
        Row(
            f"sampled_softmax-{correction}".removesuffix("-both"),
            "sampled_softmax",
            sampled_softmax(correction),
            {"n_negatives": 10, **_POPULARITY, "correction": correction},
        )
        for correction in ("both", "importance", "none")
    ),
    *(
        Row(
            f"sampled_softmax-per_row-{correction}",
            "sampled_softmax",
            sampled_softmax(correction),
            {"n_negatives": 7, **_POPULARITY, **_PER_ROW, "correction": correction},
        )
        for correction in ("both", "importance", "none")
    ),
    *(
        Row(
            f"sampled_softmax-in_batch-{correction}",
            "sampled_softmax",
            in_batch(correction),
            {"proposal": "in_batch", "correction": correction},
        )
        for correction in ("both", "importance", "none")
    ),
    Row("sampled_softmax-uniform", "sampled_softmax", sampled_softmax("both"), {"n_negatives": 10}),
    Row(
        "sampled_softmax-mixed",
        "sampled_softmax",
        sampled_softmax("both"),
        {"n_negatives": 10, "proposal": "mixed"},
    ),
    Row("sampled_softmax-hard", "sampled_softmax", hard(5), _HARD),
    Row("nce", "nce", nce, {"n_negatives": 10, **_POPULARITY}),
    Row("nce-uniform", "nce", nce, {"n_negatives": 10}),
    Row("nce-mixed", "nce", nce, {"n_negatives": 10, "proposal": "mixed"}),
    Row("nce-per_row", "nce", nce, {"n_negatives": 7, **_POPULARITY, **_PER_ROW}),
    Row("negative_sampling", "negative_sampling", negative_sampling, {"n_negatives": 10}),
    Row(
        "negative_sampling-popularity",
        "negative_sampling",
        negative_sampling,
        {"n_negatives": 10, **_POPULARITY},
    ),
    Row(
        "negative_sampling-per_row",
        "negative_sampling",
        negative_sampling,
        {"n_negatives": 7, **_PER_ROW},
    ),
    Row(
        "negative_sampling-gbce",
        "negative_sampling",
        gbce(0.75),
        {"n_negatives": 10, "calibration": 0.75},
    ),
    Row("bpr", "bpr", bpr),
    Row("bpr-popularity", "bpr", bpr, {**_POPULARITY, "n_negatives": 3}),
    Row("bpr-shared", "bpr", bpr, {"negatives": "shared", "n_negatives": 10}),
)
