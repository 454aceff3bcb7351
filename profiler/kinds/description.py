"""Description: a synthetic twin of a task known by its numbers, trained on as interactions.

The twin has the description's rows, classes, examples and skew. Class counts follow a power law
whose exponent gives the Gini index; rows belong to groups, and a share `signal` of a row's choices
is drawn from its group's own taste, the rest from the popularity alone. It stands for the sizes and
the skew, not for what people like: an answer that rests on it says so.
"""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.task import Model, TaskStatistics
from profiler import splits
from profiler.dataset import Reading
from profiler.kinds.interactions import Interactions

RULE_VERSION = 1
_SEED = 20260124
_GROUPS_AT_MOST, _ROWS_PER_GROUP = 64, 50
_TASTE_SD = 2.0  # of the logarithm of a group's liking for a class
_TASTES_AT_MOST = 20_000_000  # groups x classes
_ROUNDS = 8  # of drawing again what a row had already


def opened(arrays: dict[str, NDArray[Any]], model: Model) -> Interactions:
    """The twin's dataset."""
    del model
    return Interactions(**arrays)


def fingerprint(statistics: TaskStatistics, signal: float) -> str:
    """Names the twin: the same numbers make the same twin."""
    rules = f"{RULE_VERSION} {splits.RULE_VERSION}"
    text = f"twin {rules} {signal!r} {statistics.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()


def twin(statistics: TaskStatistics, signal: float) -> Reading:
    """Draw the twin: n_examples pairs to train on, and an eighth as many to validate and to test.

    A description's examples are those of training, so the twin has a quarter more pairs in all.
    """
    generator = np.random.default_rng(_SEED)
    per_row = 1.25 * statistics.positives_per_row
    popularity = class_shares(statistics.n_classes, statistics.class_gini, per_row)
    generator.shuffle(popularity)
    tastes = _Tastes(popularity, signal, _n_groups(statistics), generator)
    rows, classes = _pairs(statistics, tastes, math.ceil(statistics.n_examples * 1.25), generator)
    parts = splits.random_parts(rows, statistics.n_rows, with_test=True)
    train = parts == splits.TRAIN
    counts = np.bincount(classes[train], minlength=statistics.n_classes).astype(np.int64)
    arrays: dict[str, NDArray[Any]] = {
        "train_rows": rows[train],
        "train_classes": classes[train],
        "class_counts": counts,
    }
    for part, name in enumerate(("train", "validation", "test")):
        mask = parts == part
        indptr, indices = splits.to_csr(rows[mask], classes[mask], statistics.n_rows)
        arrays |= {f"{name}_indptr": indptr, f"{name}_indices": indices}
    found = statistics.model_copy(
        update={"n_examples": int(train.sum()), "class_gini": splits.gini(counts)}
    )
    note = (
        f"calibrated on a synthetic twin of the description, not on real data: "
        f"{found.n_examples:,} examples drawn, Gini index {found.class_gini:.2f}, "
        f"signal {signal:g}"
    )
    return Reading(arrays, found, [note])


def class_shares(n_classes: int, gini: float, per_row: float = 1.0) -> NDArray[np.float64]:
    """Shares of classes by falling popularity: a power law, its exponent found by bisection.

    `gini` is that of the counts once every row has drawn `per_row` classes and counts none twice:
    a class of share p is then in 1 - (1 - p)^per_row of the rows.
    """
    ranks = np.arange(1, n_classes + 1, dtype=np.float64)
    low, high = 0.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        shares = ranks**-middle / (ranks**-middle).sum()
        reached = _gini(-np.expm1(per_row * np.log1p(-np.minimum(shares, 1 - 1e-12))))
        low, high = (middle, high) if reached < gini else (low, middle)
    shares = ranks**-low
    return shares / shares.sum()


def _gini(falling: NDArray[np.float64]) -> float:
    n = len(falling)
    ranks = np.arange(n, 0, -1)
    return float(2 * (ranks * falling).sum() / (n * falling.sum()) - (n + 1) / n)


def _n_groups(statistics: TaskStatistics) -> int:
    by_memory = _TASTES_AT_MOST // statistics.n_classes
    return max(1, min(_GROUPS_AT_MOST, by_memory, statistics.n_rows // _ROWS_PER_GROUP))


class _Tastes:
    """Shares of the classes by group: a mixture of its own taste and of the popularity.

    The groups share out the popularity of each class, so that all of them together have it.
    """

    def __init__(
        self,
        popularity: NDArray[np.float64],
        signal: float,
        n_groups: int,
        generator: np.random.Generator,
    ) -> None:
        self.n_groups, self._generator = n_groups, generator
        liking = generator.lognormal(0.0, _TASTE_SD, (n_groups, len(popularity)))
        liking *= popularity / liking.sum(0)
        liking *= signal / liking.sum(1, keepdims=True)
        liking += (1 - signal) * popularity
        self._cumulative = np.cumsum(liking, axis=1)
        self._cumulative /= self._cumulative[:, -1:]

    def draw(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """One class for each entry of `groups`."""
        drawn = np.empty(len(groups), np.int64)
        order = np.argsort(groups, kind="stable")
        ends = np.searchsorted(groups[order], np.arange(self.n_groups + 1))
        for group, cumulative in enumerate(self._cumulative):
            mine = order[ends[group] : ends[group + 1]]
            # Sorted chances walk through the table in order, which is many times faster.
            chances = np.sort(self._generator.random(len(mine)))
            drawn[mine] = self._generator.permutation(np.searchsorted(cumulative, chances))
        return drawn


def _pairs(
    statistics: TaskStatistics, tastes: _Tastes, n_pairs: int, generator: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Different (row, class) pairs in random order; what a row has already is drawn again."""
    n_rows, n_classes = statistics.n_rows, statistics.n_classes
    group_of = generator.integers(tastes.n_groups, size=n_rows)
    activity = generator.lognormal(0.0, 0.5, n_rows)  # some rows choose more than others
    owners = generator.choice(n_rows, n_pairs, p=activity / activity.sum())
    counts = np.minimum(np.bincount(owners, minlength=n_rows), n_classes // 2)
    keys = np.empty(0, np.int64)
    for _ in range(_ROUNDS):
        missing = counts - np.bincount(keys // n_classes, minlength=n_rows)
        wanted = np.repeat(np.arange(n_rows), missing)
        if not len(wanted):
            break
        drawn = tastes.draw(group_of[wanted])
        keys = np.unique(np.concatenate((keys, wanted * n_classes + drawn)))
    generator.shuffle(keys)
    rows, classes = np.divmod(keys, n_classes)
    return rows.astype(np.int32), classes.astype(np.int32)
