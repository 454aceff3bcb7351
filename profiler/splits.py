"""How interactions are parted into training, validation and test; integers in, integers out.

Rule version 1. Rows and classes are numbered from 0 by first appearance. A (row, class) pair counts
once. A random split is made within each row: of its n pairs, max(1, round(n/10)) go to validation,
as many to test, the rest to training; a row with fewer than 3 pairs stays in training.
"""

import numpy as np
from numpy.typing import NDArray

RULE_VERSION = 1
TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_SEED = 20260122
LEAST_PAIRS = 3

Ints = NDArray[np.integer]


def first_of_each_pair(rows: Ints, classes: Ints, parts: Ints | None) -> Ints | None:
    """Positions of the pairs to keep, in file order; None if no pair is repeated.

    A repeated pair is kept in its earliest part (training before validation before test), and
    there where it came first.
    """
    if n_repeated(rows, classes) == 0:
        return None
    order = stable_order(rows, classes) if parts is None else stable_order(rows, classes, parts)
    ordered = _pair_keys(rows, classes)[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    is_kept = np.zeros(len(order), dtype=np.bool_)
    is_kept[order[is_first]] = True
    return np.flatnonzero(is_kept)


def n_repeated(rows: Ints, classes: Ints) -> int:
    """How many (row, class) pairs were there before."""
    keys = _pair_keys(rows, classes)
    keys.sort()
    return int((keys[1:] == keys[:-1]).sum())


def stable_order(*columns: Ints) -> NDArray[np.int64]:
    """Positions sorted by the first column, then the second and so on, then by position.

    Columns of numbers from 0 below 2**32. Sorting (number, place) as one integer, column by column
    from the last, takes a third of the time of `np.lexsort`.
    """
    order = np.arange(len(columns[0]))
    for column in reversed(columns):
        keys = _pair_keys(column[order], np.arange(len(order), dtype=np.uint64))
        keys.sort()
        order = order[_second(keys)]
    return order


def random_parts(rows: Ints, n_rows: int, *, with_test: bool) -> NDArray[np.int8]:
    """The part of each pair, int8[N], by the rule above and a fixed seed."""
    n = len(rows)
    shuffled = np.random.default_rng(SPLIT_SEED).permutation(n)
    # Sorting (row, place in the shuffle) groups each row's pairs in random order.
    keys = _pair_keys(rows[shuffled], np.arange(n))
    keys.sort()
    pairs = shuffled[_second(keys)]
    counts = np.bincount(rows, minlength=n_rows)
    places = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    held_out = np.where(counts < LEAST_PAIRS, 0, np.maximum(1, (counts + 5) // 10))
    held_out = np.repeat(held_out, counts)
    parts = np.zeros(n, dtype=np.int8)
    parts[pairs[places < held_out]] = VALIDATION
    if with_test:
        parts[pairs[(places >= held_out) & (places < 2 * held_out)]] = TEST
    return parts


def to_csr(rows: Ints, classes: Ints, n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(indptr int64[n_rows + 1], indices int32[N]); the classes of a row are sorted."""
    keys = _pair_keys(rows, classes)
    keys.sort()
    indptr = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=n_rows), out=indptr[1:])
    return indptr, _second(keys).astype(np.int32)


def gini(counts: Ints) -> float:
    """Skew of the class counts: 0 for equal counts, towards 1 when few classes hold all."""
    total = int(counts.sum())
    n = len(counts)
    if total == 0 or n == 0:
        return 0.0
    ranks = np.arange(1, n + 1, dtype=np.float64)
    return float(2 * (ranks * np.sort(counts)).sum() / (n * total) - (n + 1) / n)


def _pair_keys(rows: Ints, classes: Ints) -> NDArray[np.uint64]:
    """One uint64 per pair, ordered by row, then class; both below 2**32."""
    keys = rows.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= classes.astype(np.uint64, copy=False)
    return keys


def _second(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The second number of each pair, in place of the keys."""
    keys &= np.uint64(0xFFFFFFFF)
    return keys.view(np.int64)
