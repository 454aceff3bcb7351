"""Dataset: a task's data as memory-mapped arrays, made once per file, opened by every leg.

In goes a DataSource; out comes a folder `<cache_dir>/<fingerprint>`: .npy arrays and summary.json.
What the arrays are is the kind's business (`profiler.kinds`); no torch here, and no pickle.
"""

import hashlib
import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource, Kind, Model, TaskStatistics
from advisor.value import Value
from profiler.readers import format_of
from profiler.readers.table import check_is_file

CACHE_VERSION = 3
SUMMARY = "summary.json"
EVALUATION_SEED = 20260123
EVALUATION_ROWS = 2000
"""That a leg ranks at a checkpoint: of large data a random part, the same for every trial."""

Part = Literal["validation", "test"]
Ints = NDArray[np.integer]
Inputs = tuple[NDArray[Any], ...]
"""What the kind's encoder takes, array by array."""
Target = Ints | tuple[Ints, Ints]
"""The class of each row of hidden, or several as a CSR pair (indices, offsets)."""


class PreparedData(Value):
    """Where a dataset lies and what is in it; `notes` say what was guessed, dropped and why."""

    dataset_dir: str
    fingerprint: str
    statistics: TaskStatistics
    notes: tuple[str, ...] = ()
    embedding_dim: int | None = None
    """The dimension of hidden vectors that the data brings."""


class Csr(NamedTuple):
    """The classes of row r are indices[indptr[r]:indptr[r + 1]], sorted."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    def rows(self, chosen: Ints) -> "Csr":
        """The chosen rows, in that order."""
        indptr, places = self.places(chosen)
        return Csr(indptr, np.asarray(self.indices[places]))

    def places(self, chosen: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The indptr of the chosen rows alone, and where in `indices` each of their entries is."""
        starts = np.asarray(self.indptr[chosen])
        lengths = np.asarray(self.indptr[chosen + 1]) - starts
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        return indptr, np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], lengths)


@dataclass(frozen=True)
class Evaluation:
    """Rows of hidden to be ranked, each with its positives, and with classes that do not take part.

    The encoder gives `rows_per_unit` rows of hidden for each of `units`, in their order.
    """

    units: NDArray[np.int64]
    inputs: Callable[[NDArray[np.int64]], Inputs]
    positives: Csr
    seen: Csr | None = None
    rows_per_unit: int = 1

    @property
    def n_rows(self) -> int:
        """Rows of hidden."""
        return len(self.positives.indptr) - 1

    def first(self, n_units: int) -> "Evaluation":
        """The part that the first units are."""
        rows = np.arange(n_units * self.rows_per_unit)
        seen = None if self.seen is None else self.seen.rows(rows)
        return Evaluation(
            self.units[:n_units], self.inputs, self.positives.rows(rows), seen, self.rows_per_unit
        )


class DataSize(NamedTuple):
    """How much there is in the file, and in its training part."""

    n_records: int
    """Pairs, events, tokens or rows that were kept."""
    n_users: int | None
    n_training_rows: int
    """Rows with a positive in training: users, places in a history or text, or data rows."""


class Dataset(Protocol):
    """What a trial needs of its data, whatever the kind."""

    @property
    def n_examples(self) -> int:
        """Training examples, numbered from 0: what an epoch goes through."""
        ...

    @property
    def n_classes(self) -> int: ...

    @property
    def targets_per_example(self) -> float:
        """Rows of hidden that a training example gives, on average."""
        ...

    @property
    def size(self) -> DataSize: ...

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """int64[C], how often training names each class; 0 for one seen only elsewhere."""
        ...

    def training(self, examples: NDArray[np.int64]) -> tuple[Inputs, Target]:
        """The encoder's inputs of some training examples, and what each row of hidden names."""
        ...

    def evaluation(self, part: Part, n_max: int | None = None) -> Evaluation:
        """What is ranked: at most n_max rows, drawn once and for all (all of them for None).

        A smaller n_max draws a part of what a larger one draws.
        """
        ...


class Reading(NamedTuple):
    """What a kind makes of a file."""

    arrays: dict[str, NDArray[Any]]
    statistics: TaskStatistics
    notes: list[str]
    embedding_dim: int | None = None


def prepare_dataset(
    source: DataSource, cache_dir: str, kind: Kind = "interactions", model: Model | None = None
) -> PreparedData:
    """Read, split and cache the source; the same bytes, columns and format are read only once.

    Raises DataInvalidError, with one sentence, for whatever keeps the file from being used.
    Preparers may run at the same time: the last step is one rename, and the first one wins.
    """
    path = Path(source.path)
    check_is_file(path, repr(source.path))
    if source.labels is not None:
        check_is_file(Path(source.labels), repr(source.labels))
    module = _module(kind)
    fingerprint = _fingerprint(source, path, f"{CACHE_VERSION} {kind} {module.RULE_VERSION}")
    dataset_dir = Path(cache_dir) / fingerprint
    found = _cached(dataset_dir, kind, lambda: module.read(source, path), model)
    if found.statistics.n_examples < 1:
        raise DataInvalidError(f"{source.path!r} leaves no training example for this model")
    return found


def prepare_twin(statistics: TaskStatistics, signal: float, cache_dir: str) -> PreparedData:
    """Draw and cache the synthetic twin of a description; the same numbers draw it only once."""
    module = _module("description")
    dataset_dir = Path(cache_dir) / module.fingerprint(statistics, signal)
    return _cached(dataset_dir, "description", lambda: module.twin(statistics, signal), None)


def _cached(
    dataset_dir: Path, kind: Kind, make: Callable[[], Reading], model: Model | None
) -> PreparedData:
    """The dataset of that folder, made if it is not there; examples are counted for the model."""
    if not dataset_dir.is_dir():
        reading = make()
        summary = {
            "kind": kind,
            "statistics": reading.statistics.model_dump(),
            "notes": reading.notes,
            "embedding_dim": reading.embedding_dim,
        }
        _write(dataset_dir, reading.arrays, summary)
    summary = json.loads((dataset_dir / SUMMARY).read_text(encoding="utf-8"))
    dataset = open_dataset(str(dataset_dir), model)
    counted = {
        "n_examples": dataset.n_examples,
        "targets_per_example": dataset.targets_per_example,
    }
    return PreparedData(
        dataset_dir=str(dataset_dir),
        fingerprint=dataset_dir.name,
        statistics=TaskStatistics(**{**summary["statistics"], **counted}),
        notes=(*summary["notes"], *_part_notes(dataset)),
        embedding_dim=summary["embedding_dim"],
    )


def _part_notes(dataset: Dataset) -> Iterator[str]:
    """What is said where a calibration does with a part: never of the classes."""
    whole = dataset.evaluation("validation").n_rows
    ranked = dataset.evaluation("validation", EVALUATION_ROWS).n_rows
    if ranked < whole:
        yield (
            f"a calibration ranks {ranked:,} of {whole:,} validation rows, the same random ones "
            f"for every loss, among all {dataset.n_classes:,} classes; it trains on all "
            f"{dataset.n_examples:,} examples in random order, on a random part of them where it "
            "stops before one epoch"
        )


def open_dataset(dataset_dir: str, model: Model | None = None) -> Dataset:
    """Map the arrays of a prepared dataset; writing to one changes this process's copy only.

    `model` tells what the arrays do not hold: how long a sequence the encoder reads.
    """
    folder = Path(dataset_dir)
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    arrays = {path.stem: _map(path) for path in folder.glob("*.npy")}
    dataset: Dataset = _module(summary["kind"]).opened(arrays, model or Model())
    return dataset


def chosen_part(candidates: NDArray[np.int64], n_max: int | None) -> NDArray[np.int64]:
    """At most n_max of them, ascending, by a fixed seed; fewer are a part of more."""
    if n_max is None or len(candidates) <= n_max:
        return candidates
    drawn = np.random.default_rng(EVALUATION_SEED).permutation(candidates)
    return np.sort(drawn[:n_max])


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


def _module(kind: str) -> Any:
    return importlib.import_module(f"profiler.kinds.{kind}")


def _fingerprint(source: DataSource, path: Path, rules: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if source.labels is not None:
        digest.update(hashlib.sha256(Path(source.labels).read_bytes()).digest())
    how = source.model_dump_json(exclude={"path", "labels", "format"})
    digest.update("\n".join(("", format_of(source), how, rules)).encode())
    return digest.hexdigest()


def _write(dataset_dir: Path, arrays: dict[str, NDArray[Any]], summary: dict) -> None:
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
