"""numpy's own files: an npz of features, labels and split, or an npy of features. Never pickle.

npz: `X[N, F]`, or the parts of a CSR matrix `X_indptr`, `X_indices`, `X_data` (ones if it is not
there) and `X_shape`; `y[N]` of one class a row, or `Y` as X of several, 0 or 1; `split[N]`. The
columns `hidden`, `label` and `split` of the task rename X, y and split. An npy holds X alone; the
labels are then another npy, which `data.labels` names.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.readers.columns import listed
from profiler.readers.formats import format_of
from profiler.readers.labelled import CsrMatrix, Labelled, Matrix, classes_of_ids, csr
from profiler.readers.table import PARTS

_DAMAGED = (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError)
Arrays = Mapping[str, NDArray[Any]]


def read(source: DataSource, path: Path, *, is_single: bool) -> Labelled:
    """Features, labels and split as they are; raises DataInvalidError."""
    del is_single  # the arrays say how many labels a row has
    where = repr(source.path)
    if format_of(source) == "npy":
        return Labelled(_dense(_npy(path, where), where), _labels_of(source, where))
    with path.open("rb") as file:
        return _labelled(_Npz(file, where), source, where)


def _labelled(arrays: "_Npz", source: DataSource, where: str) -> Labelled:
    columns = source.columns
    x = _matrix(arrays, columns.hidden or "X", where)
    if source.labels is not None:
        y = _labels_of(source, where)
    elif columns.label is None and ("Y" in arrays or "Y_indptr" in arrays):
        y = _several(arrays, "Y", where)
    else:
        y = _classes(arrays[columns.label or "y"], where)
    split = columns.split or ("split" if "split" in arrays else None)
    return Labelled(x, y, None if split is None else _parts(arrays[split], split, where))


class _Npz(Mapping[str, NDArray[Any]]):
    """The arrays of an npz, read when they are asked for."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._arrays, self._where = _load(file, where, "npz"), where

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            raise DataInvalidError(
                f"{self._where} has no array {name!r}; it has {listed(list(self))}"
            )
        return _read(lambda: self._arrays[name], self._where, "npz")

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Any:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _npy(path: Path, where: str) -> NDArray[Any]:
    with path.open("rb") as file:
        return _load(file, where, "npy")


def _load(file: BinaryIO, where: str, kind: str) -> Any:
    found = _read(lambda: np.load(file, allow_pickle=False), where, kind)
    if isinstance(found, np.ndarray) != (kind == "npy"):
        raise DataInvalidError(f"{where} is no {kind} file but {'npz' if kind == 'npy' else 'npy'}")
    return found


def _read(read: Any, where: str, kind: str) -> Any:
    try:
        return read()
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataInvalidError(f"{where} could not be read as {kind}: {error}") from error
        raise DataInvalidError(
            f"{where} is no {kind} of numbers or texts: it holds pickled objects, which are never "
            f"read; save plain arrays"
        ) from error
    except _DAMAGED as error:
        raise DataInvalidError(f"{where} could not be read as {kind}: it is damaged") from error


def _labels_of(source: DataSource, where: str) -> CsrMatrix:
    if source.labels is None:
        raise DataInvalidError(f"{where} holds no labels; name the npy file of them: data.labels")
    return _classes(_npy(Path(source.labels), repr(source.labels)), repr(source.labels))


def _matrix(arrays: Arrays, name: str, where: str) -> Matrix:
    if f"{name}_indptr" in arrays:
        return _sparse(arrays, name, where)
    return _dense(arrays[name], where)


def _dense(x: NDArray[Any], where: str) -> NDArray[np.float32]:
    if x.ndim != 2 or x.dtype.kind not in "bifu":
        raise DataInvalidError(
            f"the features of {where} are {x.dtype}{list(x.shape)}; give numbers, rows by features"
        )
    return np.ascontiguousarray(x, dtype=np.float32)


def _sparse(arrays: Arrays, name: str, where: str) -> CsrMatrix:
    from scipy.sparse import csr_matrix

    indices, indptr = arrays[f"{name}_indices"], arrays[f"{name}_indptr"]
    data = arrays[f"{name}_data"] if f"{name}_data" in arrays else np.ones(indices.shape)
    try:
        shape = tuple(int(n) for n in arrays[f"{name}_shape"])
        found = csr_matrix((data.astype(np.float32), indices, indptr), shape)
        found.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise DataInvalidError(
            f"{name}_indptr, {name}_indices and {name}_shape of {where} are no CSR matrix: {error}"
        ) from error
    found.sum_duplicates()
    return found


def _several(arrays: Arrays, name: str, where: str) -> CsrMatrix:
    return _ones(_matrix(arrays, name, where))


def _classes(labels: NDArray[Any], where: str) -> CsrMatrix:
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _ones(_dense(labels, where))
    if labels.ndim == 0 or labels.size != len(labels):
        raise DataInvalidError(f"the labels of {where} have the shape {list(labels.shape)}")
    return classes_of_ids(labels.ravel(), where)


def _ones(y: Matrix) -> CsrMatrix:
    """The classes whose entry is not 0."""
    from scipy.sparse import csr_matrix

    found: CsrMatrix = csr_matrix(y)
    found.eliminate_zeros()
    return csr(found.indices, found.indptr, found.shape[1])


def _parts(split: NDArray[Any], name: str, where: str) -> NDArray[np.int8]:
    words = [str(word).strip().lower() for word in split.ravel().tolist()]
    unknown = next((word for word in words if word not in PARTS), None)
    if unknown is not None:
        raise DataInvalidError(
            f"the array {name!r} of {where} says {unknown!r} for the split; "
            f"allowed are {', '.join(PARTS)}"
        )
    return np.array([PARTS[word] for word in words], dtype=np.int8)
