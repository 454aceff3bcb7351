"""Sequences: what a user chooses next; an example is a window of one user's history.

Events are ordered by time, and where times are equal or missing by their place in the file; nothing
is left out of a history. `leave_one_out`: the last event of a user with three or more is the test,
the one before it the validation. `temporal`: all users share two moments, after 80% and 90% of the
events; a user's first event in each later stretch is what is to be told from all that came before.
Ranked is the full catalogue, less the history where no user of the data ever repeats an item.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Model, TaskStatistics
from profiler import splits
from profiler.dataset import (
    Csr,
    DataSize,
    Evaluation,
    Inputs,
    Part,
    Reading,
    Target,
    chosen_part,
)
from profiler.readers import read_table
from profiler.readers.numbers import numbered

if TYPE_CHECKING:
    import polars as pl

RULE_VERSION = 1
LEAST_EVENTS = 3
_CUTS = (0.8, 0.9)


@dataclass(frozen=True)
class Sequences:
    """Memory-mapped events of R users, user by user in order of time, and C classes (items)."""

    indptr: NDArray[np.int64]
    """int64[R + 1]: the events of user r are items[indptr[r]:indptr[r + 1]]."""
    items: NDArray[np.int32]
    n_train: NDArray[np.int64]
    """int64[R]: so many first events of a user are for training."""
    validation_at: NDArray[np.int64]
    """int64[R]: place in the history of the event to be told, -1 for none; also `test_at`."""
    test_at: NDArray[np.int64]
    class_counts: NDArray[np.int64]
    repeats: NDArray[np.int64]
    """int64[1]: how many events name an item that the user had before."""
    window: int

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)

    @property
    def targets_per_example(self) -> float:
        return float(np.maximum(self.n_train - 1, 0).sum() / max(1, self.n_examples))

    @property
    def size(self) -> DataSize:
        n_targets = int(np.maximum(self.n_train - 1, 0).sum())
        return DataSize(len(self.items), len(self.n_train), n_targets)

    @property
    def _windows(self) -> NDArray[np.int64]:
        """Windows per user: each holds up to `window` targets, and every target is in one."""
        return -(-np.maximum(self.n_train - 1, 0) // self.window)

    @property
    def n_examples(self) -> int:
        return int(self._windows.sum())

    def training(self, examples: NDArray[np.int64]) -> tuple[Inputs, Target]:
        """Inputs: items[B, L] padded at the end, and where in items[B * L] the real ones lie."""
        ends = np.cumsum(self._windows)
        users = np.searchsorted(ends, examples, side="right")
        back = ends[users] - 1 - examples  # 0 is the user's latest window
        stop = self.n_train[users] - back * self.window  # one past the last target
        start = np.maximum(stop - self.window, 1)
        lengths = stop - start
        first = self.indptr[users] + start
        tokens, keep = padded(self.items, first - 1, lengths)
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return (tokens, keep), np.asarray(self.items[np.repeat(first, lengths) + places])

    def evaluation(self, part: Part, n_max: int | None = None) -> Evaluation:
        """A row of hidden is a user's history up to the event that is to be told."""
        at = np.asarray(self.validation_at if part == "validation" else self.test_at)
        users = chosen_part(np.flatnonzero(at > 0), n_max)
        before = Csr(np.concatenate(([0], np.cumsum(at[users]))), self._histories(users, at[users]))
        positives = self.items[self.indptr[users] + at[users]]
        return Evaluation(
            users,
            lambda units: self._ends(units, at[units]),
            Csr(np.arange(len(users) + 1), np.asarray(positives)),
            before if int(self.repeats[0]) == 0 else None,
        )

    def _histories(self, users: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.asarray(self.items[np.repeat(self.indptr[users], lengths) + places])

    def _ends(self, users: NDArray[np.int64], at: NDArray[np.int64]) -> Inputs:
        lengths = np.minimum(at, self.window)
        tokens, _ = padded(self.items, self.indptr[users] + at - lengths, lengths)
        return tokens, np.arange(len(users)) * tokens.shape[1] + lengths - 1


def padded(
    tokens: NDArray[np.int32], first: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Stretches of tokens as rows[B, L], 0 after their end; and where the real ones lie in them."""
    width = int(lengths.max(initial=1))
    is_real = np.arange(width) < lengths[:, None]
    places = np.minimum(first[:, None] + np.arange(width), len(tokens) - 1)
    return np.asarray(tokens[places]) * is_real, np.flatnonzero(is_real)


def opened(arrays: dict[str, NDArray[Any]], model: Model) -> Sequences:
    """The dataset of these arrays, cut into windows of what the encoder reads."""
    return Sequences(**arrays, window=model.sequence_length)


def read(source: DataSource, path: Path) -> Reading:
    """Number, order and split; raises DataInvalidError for what cannot be used."""
    frame, notes = read_table(source, path, ("user", "item", "time"), ("user", "item"))
    items, n_items = numbered(frame.drop_in_place("item"))
    users, n_users = numbered(frame.drop_in_place("user"))
    where = repr(source.path)
    if n_items < 2:
        raise DataInvalidError(f"{where} has one class only: the item is the same in every row")
    times, note = _times(frame, where)
    by_time = np.argsort(times, kind="stable")
    order = by_time[splits.stable_order(users[by_time])]
    users, items, times = users[order], items[order], times[order]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=n_users))))
    split = source.split or "leave_one_out"
    if split == "temporal":
        n_train, validation_at, test_at, split_note = _temporal(times, users, indptr, where)
    else:
        n_train, validation_at, test_at, split_note = _leave_one_out(indptr)
    place = np.arange(len(items)) - indptr[users]
    counts = np.bincount(items[place < n_train[users]], minlength=n_items).astype(np.int64)
    repeats = splits.n_repeated(users, items)
    if not (validation_at > 0).any():
        raise DataInvalidError(
            f"{where} leaves no validation rows: no user has {LEAST_EVENTS} or more events"
        )
    arrays = {
        "indptr": indptr.astype(np.int64),
        "items": items,
        "n_train": n_train,
        "validation_at": validation_at,
        "test_at": test_at,
        "class_counts": counts,
        "repeats": np.array([repeats], dtype=np.int64),
    }
    if not (n_train > 1).any():
        raise DataInvalidError(f"the split of {where} leaves no user with two events to train on")
    statistics = TaskStatistics(
        n_rows=n_users,
        n_classes=n_items,
        n_examples=int((n_train > 1).sum()),
        class_gini=splits.gini(counts),
    )
    shown = "left out of the ranking" if repeats == 0 else "ranked too, as users repeat items"
    more = [*notes, note, split_note, f"items of a user's history are {shown}"]
    return Reading(arrays, statistics, [n for n in more if n])


def _times(frame: "pl.DataFrame", where: str) -> tuple[NDArray[Any], str]:
    import polars as pl

    if "time" not in frame.columns:
        return np.zeros(frame.height), "no time column: the order of the file is taken"
    times = frame["time"]
    missing = times.null_count()
    if missing:
        raise DataInvalidError(f"the time is missing in {missing:,} rows of {where}")
    if times.dtype.is_numeric():
        return times.to_numpy(), ""
    if times.dtype.is_temporal():
        return times.dt.epoch("us").to_numpy(), ""
    numbers = times.cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        return numbers.to_numpy(), ""
    try:
        parsed = times.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:  # no format fits the first of them
        parsed = times.clear(len(times)).cast(pl.Datetime)
    if parsed.null_count():
        bad = times.filter(parsed.is_null())[0]
        raise DataInvalidError(f"the time {bad!r} of {where} is neither a number nor a date")
    return parsed.dt.epoch("us").to_numpy(), ""


Places = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], str]


def _leave_one_out(indptr: NDArray[np.int64]) -> Places:
    lengths = np.diff(indptr)
    enough = lengths >= LEAST_EVENTS
    n_train = np.where(enough, lengths - 2, lengths)
    validation_at = np.where(enough, lengths - 2, -1)
    test_at = np.where(enough, lengths - 1, -1)
    note = "split: the last event of a user is the test, the one before it the validation"
    if not enough.all():
        note += (
            f"; users with fewer than {LEAST_EVENTS} events, who only train: {(~enough).sum():,}"
        )
    return n_train, validation_at, test_at, note


def _temporal(
    times: NDArray[Any], users: NDArray[np.int32], indptr: NDArray[np.int64], where: str
) -> Places:
    first_cut, second_cut = np.quantile(times, _CUTS, method="lower")
    if first_cut >= second_cut:
        raise DataInvalidError(f"{where} cannot be split by time: too many events share one moment")
    n_users = len(indptr) - 1
    n_train = np.bincount(users[times <= first_cut], minlength=n_users)
    until_second = np.bincount(users[times <= second_cut], minlength=n_users)
    lengths = np.diff(indptr)
    has_past = n_train > 0
    validation_at = np.where(has_past & (until_second > n_train), n_train, -1)
    test_at = np.where(has_past & (lengths > until_second), until_second, -1)
    note = "split by time: trained on the first 80% of the events, validated on the next 10%"
    return n_train, validation_at, test_at, note
