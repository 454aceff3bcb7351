"""Epochs over labelled rows until they gain nothing any more."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler.estimator.network import Network
from profiler.estimator.rows import Ints, Matrix, Reader, batches, epoch

_LEAST_ROWS, _MOST_ROWS, _SCORES_AT_ONCE = 16, 512, 2**22


@dataclass(frozen=True)
class Labelled:
    """Rows, their classes as 0 ... C - 1, and their weights; None is 1 each."""

    x: Matrix
    y: Ints
    weight: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: Ints) -> "Labelled":
        """Some of the rows."""
        return Labelled(
            self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows]
        )


@dataclass(frozen=True)
class Patience:
    """At most so many epochs, and an end after `n_no_change` that did not gain `tol`."""

    max_epochs: int
    n_no_change: int
    tol: float


@dataclass
class History:
    """What every epoch came to: mean training loss and, if rows were held out, their accuracy."""

    losses: list[float]
    accuracies: list[float] | None

    def is_over(self, patience: Patience) -> bool:
        """Whether the last epochs gained nothing over the best before them."""
        reached = [-loss for loss in self.losses] if self.accuracies is None else self.accuracies
        before, lately = reached[: -patience.n_no_change], reached[-patience.n_no_change :]
        return bool(before) and max(lately) < max(before) + patience.tol


def one_epoch(
    network: Network, reader: Reader, rows: Labelled, batch_size: int, rng: np.random.RandomState
) -> float:
    """The mean training loss of an example."""
    order = epoch(rows.weight, len(rows), rng)
    return network.train(
        (reader.inputs(rows.x[b], np.dtype(np.float32)), rows.y[b])
        for b in batches(order, batch_size)
    )


def until_no_better(
    network: Network,
    reader: Reader,
    rows: Labelled,
    held_out: Labelled | None,
    batch_size: int,
    patience: Patience,
    rng: np.random.RandomState,
) -> History:
    """Train; with rows held out the network ends with the parameters that were best on them."""
    history, best = History([], None if held_out is None else []), network.parameters()
    while len(history.losses) < patience.max_epochs and not history.is_over(patience):
        history.losses.append(one_epoch(network, reader, rows, batch_size, rng))
        if held_out is None or history.accuracies is None:
            continue
        history.accuracies.append(accuracy(network, reader, held_out))
        if history.accuracies[-1] > max(history.accuracies[:-1], default=-1.0):
            best = network.parameters()
    if held_out is not None:
        network.restore(best)
    return history


def chunks(
    network: Network, reader: Reader, x: Matrix, method: str, dtype: np.dtype
) -> Iterator[NDArray[np.floating]]:
    """Scores or log-probabilities [n, C] of the rows in their order, a few million at a time."""
    n = max(_LEAST_ROWS, min(_MOST_ROWS, _SCORES_AT_ONCE // network.plan.n_classes))
    for start in range(0, x.shape[0], n):
        yield getattr(network, method)(reader.inputs(x[start : start + n], dtype))


def best_classes(network: Network, reader: Reader, x: Matrix, dtype: np.dtype) -> Ints:
    """The class that scores highest, of each row."""
    found = (scores.argmax(axis=1) for scores in chunks(network, reader, x, "scores", dtype))
    return np.concatenate(list(found))


def accuracy(network: Network, reader: Reader, rows: Labelled) -> float:
    """The weighted share of rows whose class scores highest."""
    is_hit = best_classes(network, reader, rows.x, np.dtype(np.float32)) == rows.y
    return float(np.average(is_hit, weights=rows.weight))
