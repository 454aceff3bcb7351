"""Small files of rows with classes, and what they become."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from advisor.task import DataSource, Model
from profiler.dataset import PreparedData, open_dataset, prepare_dataset
from profiler.kinds.features import Features, SparseRows


def prepared(path: Path, kind: str = "features", **source: Any) -> PreparedData:
    """The dataset made of a file, cached beside it."""
    asked = DataSource.model_validate({"path": str(path), **source})
    return prepare_dataset(asked, str(path.parent / "cache"), kind, Model())  # pyright: ignore[reportArgumentType]


def opened(path: Path, kind: str = "features", **source: Any) -> tuple[Features, str]:
    """The dataset of a file, and its notes in one text."""
    data = prepared(path, kind, **source)
    found = open_dataset(data.dataset_dir)
    assert isinstance(found, Features)
    return found, "\n".join(data.notes)


def dense(data: Features) -> np.ndarray:
    """The features of all rows, [N, F]."""
    if not isinstance(data.x, SparseRows):
        return np.asarray(data.x)
    csr, values = data.x
    rows = np.repeat(np.arange(len(csr.indptr) - 1), np.diff(csr.indptr))
    x = np.zeros((len(csr.indptr) - 1, data.n_features), np.float32)
    x[rows, csr.indices] = values
    return x


def classes(data: Features) -> list[list[int]]:
    """The classes of each row."""
    ends = data.labels.indptr
    return [data.labels.indices[a:b].tolist() for a, b in itertools.pairwise(ends)]


def clusters(n_rows: int = 600, n_classes: int = 6, n_features: int = 8, seed: int = 0):
    """x[N, F] around one centre a class, and y[N]."""
    generator = np.random.default_rng(seed)
    y = generator.integers(n_classes, size=n_rows)
    centres = generator.normal(size=(n_classes, n_features))
    x = centres[y] + 0.5 * generator.normal(size=(n_rows, n_features))
    return x.astype(np.float32), y
