"""Dataset: interactions as memory-mapped integer arrays, made once per file, opened by every leg.

In goes a DataSource; out comes a folder `<cache_dir>/<fingerprint>`: .npy arrays and summary.json.
The rules of the split and of repeated pairs stand in `splits`; no torch here, and no pickle.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, TaskStatistics
from advisor.value import Value
from profiler import splits
from profiler.readers import format_of, read_interactions
from profiler.readers.interactions import check_is_file

if TYPE_CHECKING:
    import polars as pl

CACHE_VERSION = 1
SUMMARY = "summary.json"
EVALUATION_SEED = 20260123


class PreparedData(Value):
    """Where a dataset lies and what is in it; `notes` say what was guessed, dropped and why."""

    dataset_dir: str
    fingerprint: str
    statistics: TaskStatistics
    notes: tuple[str, ...] = ()


class Csr(NamedTuple):
    """The classes of row r are indices[indptr[r]:indptr[r + 1]], sorted."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]


@dataclass(frozen=True)
class Dataset:
    """Memory-mapped arrays of N training pairs, R rows (users) and C classes (items)."""

    train_rows: NDArray[np.int32]
    """int32[N], row of each training pair, in file order."""
    train_classes: NDArray[np.int32]
    """int32[N], class of each training pair, in file order."""
    class_counts: NDArray[np.int64]
    """int64[C], training pairs of each class; 0 for a class seen only in validation or test."""
    train_indptr: NDArray[np.int64]
    train_indices: NDArray[np.int32]
    validation_indptr: NDArray[np.int64]
    validation_indices: NDArray[np.int32]
    test_indptr: NDArray[np.int64]
    test_indices: NDArray[np.int32]

    @property
    def n_rows(self) -> int:
        return len(self.train_indptr) - 1

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)

    @property
    def train(self) -> Csr:
        return Csr(self.train_indptr, self.train_indices)

    @property
    def validation(self) -> Csr:
        return Csr(self.validation_indptr, self.validation_indices)

    @property
    def test(self) -> Csr:
        return Csr(self.test_indptr, self.test_indices)

    def evaluation_rows(self, n_max: int) -> NDArray[np.int64]:
        """Rows with a validation positive, int64, ascending: at most n_max, drawn once and for all.

        A smaller n_max draws a part of what a larger one draws.
        """
        rows = np.flatnonzero(np.diff(self.validation_indptr))
        if len(rows) <= n_max:
            return rows
        drawn = np.random.default_rng(EVALUATION_SEED).permutation(rows)
        return np.sort(drawn[:n_max])


def prepare_dataset(source: DataSource, cache_dir: str) -> PreparedData:
    """Read, split and cache the source; the same bytes, columns and format are read only once.

    Raises DataInvalidError, with one sentence, for whatever keeps the file from being used.
    Preparers may run at the same time: the last step is one rename, and the first one wins.
    """
    path = Path(source.path)
    check_is_file(path, repr(source.path))
    fingerprint = _fingerprint(source, path)
    dataset_dir = Path(cache_dir) / fingerprint
    if not dataset_dir.is_dir():
        arrays, statistics, notes = _arrays(source, path)
        summary = {"statistics": statistics.model_dump(), "notes": notes}
        _write(dataset_dir, arrays, summary)
    summary = json.loads((dataset_dir / SUMMARY).read_text(encoding="utf-8"))
    return PreparedData(dataset_dir=str(dataset_dir), fingerprint=fingerprint, **summary)


def open_dataset(dataset_dir: str) -> Dataset:
    """Map the arrays of a prepared dataset; writing to one changes this process's copy only."""
    folder = Path(dataset_dir)
    return Dataset(**{field.name: _map(folder / f"{field.name}.npy") for field in fields(Dataset)})


def resolve_inside(path: str, root: Path) -> Path:
    """The path, relative to root or absolute, after symbolic links, if it lies inside root.

    Raises DataInvalidError otherwise, with the same words whether there is such a file or not.
    """
    outside = DataInvalidError(f"path {path!r} is outside the data folder")
    try:
        resolved = (root / path).resolve()
        inside = resolved.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise outside from error
    if not inside:
        raise outside
    return resolved


def _fingerprint(source: DataSource, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    columns = source.columns.model_dump_json()
    rules = f"{CACHE_VERSION} {splits.RULE_VERSION}"
    digest.update("\n".join(("", format_of(source), columns, rules)).encode())
    return digest.hexdigest()


def _arrays(
    source: DataSource, path: Path
) -> tuple[dict[str, NDArray[np.integer]], TaskStatistics, list[str]]:
    frame, notes = read_interactions(source, path)
    rows, n_rows = _numbered(frame, "user")
    classes, n_classes = _numbered(frame, "item")
    given = frame["split"].to_numpy() if "split" in frame.columns else None
    where = repr(source.path)
    if n_classes < 2:
        raise DataInvalidError(
            f"{where} has one class only: the item is {frame['item'][0]!r} in every row"
        )
    del frame
    kept = splits.first_of_each_pair(rows, classes, given)
    more = list(notes)
    if kept is not None:
        more.append(f"{len(rows) - len(kept):,} repeated (user, item) rows were left out")
        rows, classes = rows[kept], classes[kept]
        given = None if given is None else given[kept]
    parts, note = _parts(rows, n_rows, given, where)
    more.append(note)
    train = parts == splits.TRAIN
    class_counts = np.bincount(classes[train], minlength=n_classes).astype(np.int64)
    arrays: dict[str, NDArray[np.integer]] = {
        "train_rows": rows[train],
        "train_classes": classes[train],
        "class_counts": class_counts,
    }
    for part, name in enumerate(("train", "validation", "test")):
        mask = parts == part
        indptr, indices = splits.to_csr(rows[mask], classes[mask], n_rows)
        arrays |= {f"{name}_indptr": indptr, f"{name}_indices": indices}
    statistics = TaskStatistics(
        n_rows=n_rows,
        n_classes=n_classes,
        n_examples=int(train.sum()),
        class_gini=splits.gini(class_counts),
    )
    return arrays, statistics, more


def _numbered(frame: "pl.DataFrame", name: str) -> tuple[NDArray[np.int32], int]:
    """Ids as int32 from 0 by first appearance, and how many there are."""
    ids = frame.select(name)
    distinct = ids.unique(maintain_order=True).with_row_index("number")
    numbers = ids.join(distinct, on=name, how="left", maintain_order="left")["number"]
    return numbers.to_numpy().astype(np.int32), distinct.height


def _parts(
    rows: NDArray[np.int32], n_rows: int, given: NDArray[np.int8] | None, where: str
) -> tuple[NDArray[np.int8], str]:
    if given is None:
        parts = splits.random_parts(rows, n_rows, with_test=True)
        few = int((np.bincount(rows, minlength=n_rows) < splits.LEAST_PAIRS).sum())
        note = "split at random within each user: 80% training, 10% validation, 10% test"
        if few:
            note += f"; users with fewer than {splits.LEAST_PAIRS} items, who only train: {few:,}"
    else:
        parts, note = given, "split as the file says"
        train = parts == splits.TRAIN
        if not (parts == splits.VALIDATION).any():
            parts = parts.copy()
            parts[train] = splits.random_parts(rows[train], n_rows, with_test=False)
            note += ", with a tenth of its training part for validation, as it has none"
    if not (parts == splits.TRAIN).any():
        raise DataInvalidError(f"the split of {where} leaves no row to train on")
    if not (parts == splits.VALIDATION).any():
        raise DataInvalidError(
            f"{where} leaves no validation rows: no user has {splits.LEAST_PAIRS} or more "
            f"different items to train on, so none can be held out"
        )
    return parts, note


def _write(dataset_dir: Path, arrays: dict[str, NDArray[np.integer]], summary: dict) -> None:
    dataset_dir.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=dataset_dir.parent))
    try:
        for name, array in arrays.items():
            np.save(work / f"{name}.npy", array, allow_pickle=False)
        (work / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
        work.chmod(0o755)
        work.rename(dataset_dir)
    except OSError:
        if not dataset_dir.is_dir():  # else another preparer was first, with the same bytes
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _map(path: Path) -> NDArray:
    try:
        # Copy on write: torch.from_numpy warns of read-only arrays, and the file stays as it is.
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError:  # an array of no elements cannot be mapped
        return np.load(path, allow_pickle=False)
