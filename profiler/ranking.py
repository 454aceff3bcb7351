"""Ranks of each row's positives among all classes; a tie counts against the positive.

So a model that scores all classes alike gets nothing for it, and a rank does not hang on the order
of the classes or on the device.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CsrPair = tuple[NDArray[Any], NDArray[Any]]

_LEAST_WIDTH = 4  # of a block of classes: below it blocks are as many as classes, nearly


@dataclass(frozen=True)
class Scored:
    """Scores[R, C] of a chunk of rows, and each positive's owner (its row) and class."""

    scores: Tensor
    owners: Tensor
    classes: Tensor

    @property
    def n_rows(self) -> int:
        return len(self.scores)

    @property
    def n_positives(self) -> Tensor:
        """int64[R]."""
        return torch.bincount(self.owners, minlength=self.n_rows)

    @property
    def own_scores(self) -> Tensor:
        return self.scores.view(-1).take(self.owners * self.scores.shape[1] + self.classes)


@dataclass(frozen=True)
class Hits:
    """The positives among the best k of their row: owner, rank from 1, and class."""

    owners: Tensor
    ranks: Tensor
    classes: Tensor


def scored(scores: Tensor, rows: NDArray[Any], positives: CsrPair, seen: CsrPair | None) -> Scored:
    """The chunk with its positives; scores of seen classes become minus infinity, in place."""
    if seen is not None:
        seen_rows, classes = _entries(seen, rows, scores.device)
        scores.view(-1).index_fill_(0, seen_rows * scores.shape[1] + classes, -math.inf)
    return Scored(scores, *_entries(positives, rows, scores.device))


def hits(chunk: Scored, k: int) -> Hits | None:
    """The hits of a chunk; None if a score is nan."""
    scores, owners, own_scores = chunk.scores, chunk.owners, chunk.own_scores
    n_best = min(k + 1, scores.shape[1])
    best = best_values(scores, n_best)
    if bool(best[:, 0].isnan().any()):  # topk puts nan first
        return None
    reached = (own_scores >= best[owners, k - 1]) & (own_scores > -math.inf)
    owners, own_scores, classes = owners[reached], own_scores[reached], chunk.classes[reached]
    ranks = (best[owners] >= own_scores[:, None]).sum(1)
    if n_best > k:  # a tie that may go on beyond the best k + 1 is counted over the whole row
        open_ended = torch.nonzero(own_scores == best[owners, k]).flatten()
        whole_rows = scores[owners[open_ended]]
        ranks[open_ended] = (whole_rows >= own_scores[open_ended, None]).sum(1)
    ranks = ranks - _later_twins(own_scores, owners)
    in_best = ranks <= k
    return Hits(owners[in_best], ranks[in_best], classes[in_best])


def best_values(scores: Tensor, n: int) -> Tensor:
    """The n highest scores of each row, falling, nan before all: what `topk` gives, and sooner.

    They lie in those n blocks of a row whose highest scores are the highest; where blocks tie, any
    of them will do, as their values are the same.
    """
    n_classes = scores.shape[1]
    width = math.isqrt(n_classes // n)
    if width < _LEAST_WIDTH:
        return scores.topk(n, dim=1).values
    n_blocks = n_classes // width
    blocks = scores[:, : n_blocks * width].unflatten(1, (width, n_blocks))  # strided: amax is fast
    which = blocks.amax(1).topk(n, dim=1, sorted=False).indices
    found = blocks.gather(2, which[:, None].expand(-1, width, -1)).flatten(1)
    return torch.cat((found, scores[:, n_blocks * width :]), dim=1).topk(n, dim=1).values


def best_ranks(chunk: Scored) -> Tensor | None:
    """Rank from 1 of each row's best-ranked positive, 0 where all are masked; None if nan.

    The chunk's scores are overwritten.
    """
    scores, owners, own_scores = chunk.scores, chunk.owners, chunk.own_scores
    highest = scores.amax(1)  # nan where any score is
    if bool(highest.isnan().any()):
        return None
    best = torch.full_like(highest, -math.inf).scatter_reduce(0, owners, own_scores, "amax")
    twins = torch.zeros_like(highest, dtype=torch.int64)
    twins.index_add_(0, owners, (own_scores == best[owners]).long())
    # As floats in place five times as fast as a sum of bools; in float32 exact up to 2**24.
    dtype = torch.promote_types(scores.dtype, torch.float32)
    ranks = scores.ge_(best[:, None]).sum(1, dtype=dtype).long() - twins + 1
    return ranks * (best > -math.inf)


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
