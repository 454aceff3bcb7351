"""Naive formulas of the losses over drawn classes, written from the theory alone."""

import math

import torch

from tests.references.row import Batch, Reference, Row


def _positive(batch: Batch) -> torch.Tensor:
    return batch.scores[range(len(batch.target)), batch.target]


def sampled_softmax(correction: str) -> Reference:
    def loss(batch: Batch) -> torch.Tensor:
        y, drawn, log_q = batch.target, batch.drawn, batch.log_q
        positive, negative = _positive(batch), batch.scores[:, drawn]
        if correction == "both":
            positive, negative = positive - log_q[y], negative - log_q[drawn]
        if correction == "importance":
            is_other = drawn != y[:, None]
            chance = log_q[drawn].exp() / (1 - log_q[y].exp())[:, None]
            mean = is_other.sum(1, keepdim=True) * chance
            negative = torch.where(is_other, negative - mean.log(), -math.inf)
        return torch.cat((positive[:, None], negative), dim=1).logsumexp(1) - positive

    return loss


def negative_sampling(batch: Batch) -> torch.Tensor:
    negative = batch.scores[:, batch.drawn]
    return -torch.sigmoid(_positive(batch)).log() - (1 - torch.sigmoid(negative)).log().sum(1)


def nce(batch: Batch) -> torch.Tensor:
    t = batch.scores - batch.log_q - math.log(len(batch.drawn))
    positive = t[range(len(t)), batch.target]
    negative = t[:, batch.drawn]
    return -torch.sigmoid(positive).log() - torch.sigmoid(-negative).log().sum(1)


def bpr(batch: Batch) -> torch.Tensor:
    rows, positive = range(len(batch.target)), _positive(batch)
    pairs = [-torch.sigmoid(positive - batch.scores[rows, j]).log() for j in batch.drawn]
    return torch.stack(pairs).mean(0)


_POPULARITY = {"proposal": "popularity"}
_TEN = {"n_negatives": 10}

ROWS = (
    *(
        Row(
            f"sampled_softmax-{correction}".removesuffix("-both"),
            "sampled_softmax",
            sampled_softmax(correction),
            {**_TEN, **_POPULARITY, "popularity_power": 0.5, "correction": correction},
        )
        for correction in ("both", "importance", "none")
    ),
    Row("sampled_softmax-uniform", "sampled_softmax", sampled_softmax("both"), _TEN),
    Row("nce", "nce", nce, {**_TEN, **_POPULARITY, "popularity_power": 0.75}),
    Row("nce-uniform", "nce", nce, _TEN),
    Row("negative_sampling", "negative_sampling", negative_sampling, _TEN),
    Row(
        "negative_sampling-popularity",
        "negative_sampling",
        negative_sampling,
        {**_TEN, **_POPULARITY},
    ),
    Row("bpr", "bpr", bpr),
    Row("bpr-popularity", "bpr", bpr, {**_POPULARITY, "n_negatives": 3}),
)
