"""Full-catalogue metrics, chunk by chunk: how well scores rank or predict each row's positives.

Classes a row has seen are left out of the ranking. Scores are held for a chunk of rows at a time,
`chunk_bytes` in all. Per row, with h hits among the best k and n positives: ndcg@k has binary gain
and an ideal of min(k, n) hits; recall@k is h / n; precision@k is h / k; hit@k and top@k are 1 where
h > 0, accuracy the same at k = 1; map@k is the mean of the precision at each hit over all n; mrr is
the reciprocal rank of the best-ranked positive; psp@k weighs hits by 1 / propensity; log_loss is
the mean of -log p over the positives, perplexity its exponential.
"""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advisor.task import Metric
from profiler.ranking import CsrPair, Hits, Scored, best_ranks, hits, scored

Score = Callable[[Tensor], Tensor]
# Fits caches: of 600 rows and 50,000 classes (one thread) 8 and 16 MiB were the quickest.
CHUNK_BYTES = 16 * 2**20
EVEN_ROWS = 32  # where more fit, a multiple of it: blocks of a matrix product have no rest
LEAST_PROBABILITY = 1e-12


class Tally(Protocol):
    """What is kept of the chunks so far."""

    def add(self, chunk: Scored) -> bool:
        """Count a chunk; False if a score of it is nan."""
        ...

    def value(self) -> float:
        """The metric of all that was added."""
        ...


def evaluate(
    score: Score,
    rows: Tensor | NDArray[np.integer],
    seen: CsrPair | None,
    positives: CsrPair,
    metric: Metric,
    *,
    class_counts: NDArray[np.integer] | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> float:
    """The metric over `rows`, each with at least one positive; nan if a score is nan.

    `score` takes row ids, int64[B] on the device of `rows`, and returns scores[B, C], which are
    overwritten; log-probabilities for a metric that needs them. Each CSR is (indptr[R + 1],
    indices); `class_counts`[C] are the training counts, for psp@k.
    """
    device = rows.device if isinstance(rows, Tensor) else torch.device("cpu")
    row_ids = rows.cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    if len(row_ids) == 0:
        raise ValueError("no rows to evaluate; at least one is needed")
    tally = _tally(metric, class_counts)
    hidden_classes = None if metric.needs_probabilities else seen
    start, n_chunk = 0, 1  # one row first: it tells how many classes there are
    with torch.no_grad():
        while start < len(row_ids):
            chunk = row_ids[start : start + n_chunk]
            scores = score(torch.from_numpy(chunk.astype(np.int64)).to(device)).contiguous()
            if not tally.add(scored(scores, chunk, positives, hidden_classes)):
                return math.nan
            start += len(chunk)
            n_chunk = rows_per_chunk(scores.shape[1], scores.element_size(), chunk_bytes)
            del scores  # before the next are computed: one buffer, and that in the cache
    return tally.value()


def rows_per_chunk(n_classes: int, element_bytes: int, chunk_bytes: int) -> int:
    """Rows whose scores, and one mask byte a score, fit into chunk_bytes; at least 1."""
    n_rows = max(1, chunk_bytes // (n_classes * (element_bytes + 1)))
    return n_rows if n_rows < EVEN_ROWS else n_rows - n_rows % EVEN_ROWS


def propensities(class_counts: NDArray[np.integer], n_examples: int) -> NDArray[np.float64]:
    """Chance that a relevant label was recorded, by its training count.

    Source: Jain, Prabhu & Varma 2016, model with A = 0.55 and B = 1.5.
    """
    a, b = 0.55, 1.5
    c = (math.log(max(n_examples, 2)) - 1) * (b + 1) ** a
    return 1 / (1 + c * (np.asarray(class_counts, dtype=np.float64) + b) ** -a)


def _tally(metric: Metric, class_counts: NDArray[np.integer] | None) -> Tally:
    if metric.name == "mrr":
        return _Mrr()
    if metric.name == "macro_f1":
        return _MacroF1()
    if metric.needs_probabilities:
        return _LogLoss(is_perplexity=metric.name == "perplexity")
    if metric.name == "psp":
        if class_counts is None:
            raise ValueError("psp@k needs class_counts, the training counts")
        return _Psp(metric.k or 1, class_counts)
    return _MeanOfHits(_OF_HITS[metric.name], metric.k or 1)


OfHits = Callable[[Hits, Scored, int], Tensor]


class _Mean:
    """The mean over rows of something that adds up."""

    def __init__(self) -> None:
        self.total, self.n_rows = 0.0, 0

    def value(self) -> float:
        return self.total / self.n_rows


class _MeanOfHits(_Mean):
    def __init__(self, of_hits: OfHits, k: int) -> None:
        super().__init__()
        self._of_hits, self._k = of_hits, k

    def add(self, chunk: Scored) -> bool:
        found = hits(chunk, min(self._k, chunk.scores.shape[1]))
        if found is None:
            return False
        self.total += float(self._of_hits(found, chunk, self._k).double().sum())
        self.n_rows += chunk.n_rows
        return True


def _ndcg(found: Hits, chunk: Scored, k: int) -> Tensor:
    places = torch.arange(2, min(k, chunk.scores.shape[1]) + 2, device=chunk.scores.device)
    gains = 1.0 / torch.log2(places.double())
    ideal = gains.cumsum(0)[chunk.n_positives.clamp(max=len(gains)) - 1]
    return gains[found.ranks - 1] / ideal[found.owners]


def _recall(found: Hits, chunk: Scored, k: int) -> Tensor:
    return 1.0 / chunk.n_positives[found.owners].double()


def _precision(found: Hits, chunk: Scored, k: int) -> Tensor:
    return torch.full_like(found.ranks, 1.0 / k, dtype=torch.float64)


def _hit(found: Hits, chunk: Scored, k: int) -> Tensor:
    return torch.bincount(found.owners, minlength=chunk.n_rows) > 0


def _average_precision(found: Hits, chunk: Scored, k: int) -> Tensor:
    order = (found.owners * (chunk.scores.shape[1] + 1) + found.ranks).argsort()
    owners, ranks = found.owners[order], found.ranks[order]
    per_row = torch.bincount(owners, minlength=chunk.n_rows)
    before = (per_row.cumsum(0) - per_row)[owners]
    nth = torch.arange(1, len(owners) + 1, device=owners.device) - before
    return nth / ranks / chunk.n_positives[owners]


_OF_HITS: dict[str, OfHits] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "precision": _precision,
    "hit": _hit,
    "top": _hit,
    "accuracy": _hit,
    "map": _average_precision,
}


class _Mrr(_Mean):
    def add(self, chunk: Scored) -> bool:
        ranks = best_ranks(chunk)
        if ranks is None:
            return False
        self.total += float((1.0 / ranks[ranks > 0].double()).sum())
        self.n_rows += chunk.n_rows
        return True


class _LogLoss(_Mean):
    """A probability below 1e-12 counts as that: a sparse loss may give a target none at all."""

    def __init__(self, *, is_perplexity: bool) -> None:
        super().__init__()
        self._is_perplexity = is_perplexity

    def add(self, chunk: Scored) -> bool:
        log_p = chunk.own_scores.double()
        if bool(log_p.isnan().any()):
            return False
        share = 1.0 / chunk.n_positives[chunk.owners]
        self.total -= float((share * log_p.clamp_min(math.log(LEAST_PROBABILITY))).sum())
        self.n_rows += chunk.n_rows
        return True

    def value(self) -> float:
        mean = super().value()
        return math.exp(mean) if self._is_perplexity else mean


class _Psp:
    """Propensity-scored precision over that of the best possible ranking; sums over all rows."""

    def __init__(self, k: int, class_counts: NDArray[np.integer]) -> None:
        self._k, self._reached, self._possible = k, 0.0, 0.0
        n_examples = int(np.asarray(class_counts).sum())
        self._worth = torch.from_numpy(1 / propensities(class_counts, n_examples))

    def add(self, chunk: Scored) -> bool:
        found = hits(chunk, min(self._k, chunk.scores.shape[1]))
        if found is None:
            return False
        worth = self._worth.to(chunk.scores.device)
        self._reached += float(worth[found.classes].sum())
        self._possible += float(self._best_of_each(chunk, worth).sum())
        return True

    def _best_of_each(self, chunk: Scored, worth: Tensor) -> Tensor:
        """What the k positives of each row that are worth most are worth."""
        entries = torch.unique(chunk.owners * len(worth) + chunk.classes)
        owners, of_entry = entries // len(worth), worth[entries % len(worth)]
        falling = of_entry.argsort(descending=True)
        order = falling[owners[falling].argsort(stable=True)]
        per_row = torch.bincount(owners, minlength=chunk.n_rows)
        before = (per_row.cumsum(0) - per_row)[owners[order]]
        place = torch.arange(len(order), device=order.device) - before
        return of_entry[order][place < self._k]

    def value(self) -> float:
        return self._reached / self._possible


class _MacroF1:
    """Mean over the classes that are true or predicted of the F1 of the highest-scoring class."""

    def __init__(self) -> None:
        self._counts: Tensor | None = None

    def add(self, chunk: Scored) -> bool:
        highest, predicted = chunk.scores.max(1)
        if bool(highest.isnan().any()):
            return False
        n_classes = chunk.scores.shape[1]
        right = predicted[chunk.owners] == chunk.classes
        found = torch.stack(
            [
                torch.bincount(classes, minlength=n_classes)
                for classes in (chunk.classes[right], predicted, chunk.classes)
            ]
        )
        self._counts = found if self._counts is None else self._counts + found
        return True

    def value(self) -> float:
        assert self._counts is not None
        right, predicted, true = self._counts.double()
        named = (predicted + true) > 0
        return float((2 * right[named] / (predicted + true)[named]).mean())
