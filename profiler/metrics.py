"""Full-catalogue ranking metrics: how well a score ranks each row's positives among all classes.

Classes seen in training are masked. A tie counts against the positive, so a model that scores all
classes alike gets nothing for it, and the value does not hang on the order of the classes or on
the device. Scores are held for a chunk of rows at a time, `chunk_bytes` in all.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advisor.task import Metric

Score = Callable[[Tensor], Tensor]
CsrPair = tuple[NDArray[Any], NDArray[Any]]
CHUNK_BYTES = (
    8 * 2**20
)  # fits caches: idle cores took 157 ms where 64 MiB took 248 (50,000 classes)


def evaluate(
    score: Score,
    rows: Tensor | NDArray[np.integer],
    train_csr: CsrPair,
    positives_csr: CsrPair,
    metric: Metric,
    chunk_bytes: int = CHUNK_BYTES,
) -> float:
    """The metric's mean over `rows`, each with at least one positive; nan if a score is nan.

    `score` takes row ids, int64[B] on the device of `rows`, and returns scores[B, C], which are
    overwritten. Each CSR is (indptr[R + 1], indices). ndcg@k has binary gain and an ideal of
    min(k, positives) hits, recall@k is hits over positives, mrr the reciprocal rank of the
    best-ranked positive.
    """
    device = rows.device if isinstance(rows, Tensor) else torch.device("cpu")
    row_ids = rows.cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    if len(row_ids) == 0:
        raise ValueError("no rows to evaluate; at least one is needed")
    total, start, n_chunk = 0.0, 0, 1  # one row first: it tells how many classes there are
    with torch.no_grad():
        while start < len(row_ids):
            chunk = row_ids[start : start + n_chunk]
            scores = score(torch.from_numpy(chunk.astype(np.int64)).to(device)).contiguous()
            total += _chunk_sum(scores, chunk, train_csr, positives_csr, metric)
            if math.isnan(total):
                return math.nan
            start += len(chunk)
            n_chunk = rows_per_chunk(scores.shape[1], scores.element_size(), chunk_bytes)
    return total / len(row_ids)


def rows_per_chunk(n_classes: int, element_bytes: int, chunk_bytes: int) -> int:
    """Rows whose scores, and one mask byte a score, fit into chunk_bytes; at least 1."""
    return max(1, chunk_bytes // (n_classes * (element_bytes + 1)))


def _chunk_sum(
    scores: Tensor, rows: NDArray[Any], train_csr: CsrPair, positives_csr: CsrPair, metric: Metric
) -> float:
    seen_rows, seen = _entries(train_csr, rows, scores.device)
    owners, classes = _entries(positives_csr, rows, scores.device)
    n_classes = scores.shape[1]
    scores.view(-1).index_fill_(0, seen_rows * n_classes + seen, -math.inf)
    own_scores = scores[owners, classes]
    n_positives = torch.bincount(owners, minlength=len(rows))
    if metric.name == "mrr":
        return _mrr(scores, own_scores, owners)
    k = min(metric.k or n_classes, n_classes)
    hit_owners, ranks, has_nan = _hits(scores, own_scores, owners, k)
    if has_nan:
        return math.nan
    if metric.name == "recall":
        return float((1.0 / n_positives[hit_owners].double()).sum())
    gains = 1.0 / torch.log2(torch.arange(2, k + 2, device=scores.device, dtype=torch.float64))
    ideal = gains.cumsum(0)[n_positives.clamp(max=k) - 1]
    return float((gains[ranks - 1] / ideal[hit_owners]).sum())


def _entries(csr: CsrPair, rows: NDArray[Any], device: torch.device) -> tuple[Tensor, Tensor]:
    """The entries of some rows of a CSR: (place of the row in `rows`, class), int64 both."""
    indptr, indices = csr
    starts = np.asarray(indptr[rows])
    lengths = np.asarray(indptr[rows + 1]) - starts
    owners = np.repeat(np.arange(len(rows)), lengths)
    before = np.cumsum(lengths) - lengths
    places = np.arange(len(owners)) + np.repeat(starts - before, lengths)
    classes = np.asarray(indices[places], dtype=np.int64)
    return torch.from_numpy(owners).to(device), torch.from_numpy(classes).to(device)


def _hits(
    scores: Tensor, own_scores: Tensor, owners: Tensor, k: int
) -> tuple[Tensor, Tensor, bool]:
    """Owner and rank (from 1, at most k) of each positive in its row's best k, and: any nan?"""
    n_best = min(k + 1, scores.shape[1])
    best = scores.topk(n_best, dim=1).values
    if bool(best[:, 0].isnan().any()):  # topk puts nan first
        return owners, owners, True
    reached = (own_scores >= best[owners, k - 1]) & (own_scores > -math.inf)
    owners, own_scores = owners[reached], own_scores[reached]
    ranks = (best[owners] >= own_scores[:, None]).sum(1)
    if n_best > k:  # a tie that may go on beyond the best k + 1 is counted over the whole row
        open_ended = torch.nonzero(own_scores == best[owners, k]).flatten()
        whole_rows = scores[owners[open_ended]]
        ranks[open_ended] = (whole_rows >= own_scores[open_ended, None]).sum(1)
    ranks = ranks - _later_twins(own_scores, owners)
    in_best = ranks <= k
    return owners[in_best], ranks[in_best], False


def _later_twins(own_scores: Tensor, owners: Tensor) -> Tensor:
    """For each positive, how many positives of its row tie with it and come later."""
    by_score = own_scores.argsort(stable=True)
    order = by_score[owners[by_score].argsort(stable=True)]
    sorted_scores, sorted_owners = own_scores[order], owners[order]
    n = len(order)
    starts = torch.ones(n, dtype=torch.bool, device=owners.device)
    starts[1:] = (sorted_scores[1:] != sorted_scores[:-1]) | (
        sorted_owners[1:] != sorted_owners[:-1]
    )
    group = starts.cumsum(0) - 1
    ends = torch.bincount(group).cumsum(0)
    later = torch.empty_like(owners)
    later[order] = ends[group] - 1 - torch.arange(n, device=owners.device)
    return later


def _mrr(scores: Tensor, own_scores: Tensor, owners: Tensor) -> float:
    """Sum of the reciprocal ranks; a row whose positives are all masked adds 0."""
    highest = scores.amax(1)  # nan where any score is
    if bool(highest.isnan().any()):
        return math.nan
    best = torch.full_like(highest, -math.inf).scatter_reduce(0, owners, own_scores, "amax")
    twins = torch.zeros_like(highest, dtype=torch.int64)
    twins.index_add_(0, owners, (own_scores == best[owners]).long())
    ranks = (scores >= best[:, None]).sum(1) - twins + 1
    return float((1.0 / ranks[best > -math.inf].double()).sum())
