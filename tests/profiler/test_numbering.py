"""Ids become numbers and pairs are ordered as the plain, slow way has it."""

import itertools

import numpy as np
import polars as pl
import pytest

from profiler import splits
from profiler.readers.numbers import numbered

N = 5000


def _ids() -> dict[str, pl.Series]:
    rng = np.random.default_rng(0)
    small = rng.integers(-100, 100, N)
    return {
        "integers": pl.Series(small),
        "int8": pl.Series(small, dtype=pl.Int8),
        "int8, all of them": pl.Series(rng.integers(-128, 128, N), dtype=pl.Int8),
        "far apart": pl.Series(small * 10**15),
        "large": pl.Series([2**64 - 1 - int(x) for x in small + 100], dtype=pl.UInt64),
        "near the ends": pl.Series([-(2**63), 2**63 - 1] * (N // 2)),
        "texts": pl.Series([f"user {x}" for x in small]),
        "categories": pl.Series([f"user {x}" for x in small], dtype=pl.Categorical),
        "fractions": pl.Series(small / 7),
        "dates": pl.Series(small).cast(pl.Int32).cast(pl.Date),
        "booleans": pl.Series(small > 0),
    }


@pytest.mark.parametrize("name", list(_ids()))
def test_ids_of_any_type_are_numbered_by_first_appearance(name: str) -> None:
    ids = _ids()[name]
    numbers, n_distinct = numbered(ids)
    first = {x: i for i, x in enumerate(dict.fromkeys(ids.to_list()))}
    assert numbers.dtype == np.int32
    assert numbers.tolist() == [first[x] for x in ids.to_list()]
    assert n_distinct == len(first)


def test_a_stable_order_is_that_of_lexsort() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 30, N).astype(t) for t in (np.int32, np.int32, np.int8)]
    for n in (1, 2, 3):
        expected = np.lexsort(columns[:n][::-1])
        np.testing.assert_array_equal(splits.stable_order(*columns[:n]), expected)


def test_columns_too_wide_for_one_integer_are_ordered_as_well() -> None:
    highest = np.array([2**32 - 1, 0, 2**32 - 1, 5])
    assert splits.stable_order(highest).tolist() == [1, 3, 0, 2]
    assert splits.stable_order(highest, -highest + 2**32 - 1).tolist() == [1, 3, 0, 2]
    assert splits.stable_order(highest, np.arange(4)[::-1], highest).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("with_parts", [False, True])
def test_a_repeated_pair_is_kept_where_its_earliest_part_has_it_first(with_parts: bool) -> None:
    rng = np.random.default_rng(2)
    rows, classes = (rng.integers(0, 60, N).astype(np.int32) for _ in range(2))
    parts = rng.integers(0, 3, N).astype(np.int8) if with_parts else None
    of_part = np.zeros(N, dtype=int) if parts is None else parts
    places = sorted(range(N), key=lambda i: (rows[i], classes[i], of_part[i], i))
    pairs = itertools.groupby(places, key=lambda i: (rows[i], classes[i]))
    kept = splits.first_of_each_pair(rows, classes, parts)
    assert kept is not None
    expected = sorted(next(group) for _, group in pairs)
    assert kept.tolist() == expected
    assert splits.n_repeated(rows, classes) == N - len(expected)
    assert splits.first_of_each_pair(rows[kept], classes[kept], None) is None
