"""A table of rows with their classes: a text column, a column of vectors, or columns of numbers.

The label is one cell, of several labels a list (parquet) or a text cut at `data.label_separator`;
whatever its type, it is a name. Features are the n-grams of the text column if there is one, else
the vectors, else every other column of numbers; what is taken for what is said in a note.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.readers.columns import listed
from profiler.readers.labelled import CsrMatrix, Labelled, Matrix, check_finite, csr, to_classes
from profiler.readers.ngrams import hashed_ngrams
from profiler.readers.numbers import numbered
from profiler.readers.table import REST, read_table

if TYPE_CHECKING:
    import polars as pl

_SEPARATORS = ("|", ";", ",")
_SNIFFED_ROWS = 1000


def read(source: DataSource, path: Path, *, is_single: bool) -> Labelled:
    """Features and classes of the rows that have both; raises DataInvalidError."""
    where = repr(source.path)
    table = read_table(
        source,
        path,
        ("label", "text", "hidden", "split"),
        ("label",),
        with_rest=True,
        lists=("hidden",) if is_single else ("hidden", "label"),
    )
    frame, notes = table.frame, list(table.notes)
    if is_single:
        y = to_classes(*numbered(frame["label"]))
    else:
        y, said = _several(frame["label"], source.label_separator, where)
        notes += said
    x: Matrix
    if "text" in frame.columns and not (source.columns.hidden and not source.columns.text):
        x, note = hashed_ngrams(frame["text"], source)
    elif "hidden" in frame.columns:
        x, note = _vectors(frame["hidden"], frame["row"], where), "features are the vectors given"
    else:
        x, note = _numbers(frame, where)
    parts = frame["split"].to_numpy() if "split" in frame.columns else None
    return Labelled(x, y, parts, [*notes, note])


def _several(labels: "pl.Series", separator: str | None, where: str) -> tuple[CsrMatrix, list[str]]:
    import polars as pl

    notes: list[str] = []
    if not labels.dtype.is_nested():
        texts = labels.cast(pl.String)
        if separator is None:
            found = (s for s in _SEPARATORS if texts.str.contains(s, literal=True).any())
            separator = next(found, None)
            if separator is not None:
                notes.append(f"labels are taken as separated by {separator!r}")
        labels = texts.str.split(separator) if separator else texts.reshape((-1, 1)).arr.to_list()
    elif not isinstance(labels.dtype, pl.List):
        raise DataInvalidError(f"the labels of {where} hold {labels.dtype}; give lists of labels")
    rows = pl.DataFrame({"row": np.arange(len(labels)), "label": labels}).explode("label")
    if rows["label"].dtype == pl.String:
        rows = rows.with_columns(pl.col("label").str.strip_chars()).filter(pl.col("label") != "")
    rows = rows.drop_nulls("label")
    classes, n_classes = numbered(rows["label"])
    counts = np.bincount(rows["row"].to_numpy(), minlength=len(labels))
    return csr(classes, np.concatenate(([0], np.cumsum(counts))), n_classes), notes


def _vectors(vectors: "pl.Series", rows: "pl.Series", where: str) -> NDArray[np.float32]:
    import polars as pl

    if isinstance(vectors.dtype, pl.Array):
        vectors = vectors.arr.to_list()
    if not isinstance(vectors.dtype, pl.List) or not vectors.dtype.inner.is_numeric():  # pyright: ignore[reportAttributeAccessIssue]
        raise DataInvalidError(
            f"the vectors of {where} hold {vectors.dtype}; give lists of numbers in parquet"
        )
    lengths = vectors.list.len().fill_null(0)
    ragged = (lengths != lengths[0]).arg_true()
    if len(ragged) or not lengths[0]:
        row = int(ragged[0]) if len(ragged) else 0
        raise DataInvalidError(
            f"{where} is ragged: row {rows[row]} has a vector of {lengths[row]} numbers, "
            f"row {rows[0]} one of {lengths[0]}"
        )
    flat = vectors.explode().cast(pl.Float32).fill_null(float("nan")).to_numpy()
    x = flat.reshape(len(vectors), -1)
    check_finite(x, where, rows=rows.to_numpy())
    return x


def _numbers(frame: "pl.DataFrame", where: str) -> tuple[NDArray[np.float32], str]:
    """Every other column that is one of numbers by its first rows."""
    columns = {name: frame[name] for name in frame.columns if name.startswith(REST)}
    chosen = [name for name, column in columns.items() if _is_numeric(column)]
    names = [name.removeprefix(REST) for name in chosen]
    if not chosen:
        raise DataInvalidError(
            f"{where} has no column of numbers beside the label, no text and no vectors; "
            f"map one with data.columns.text or data.columns.hidden"
        )
    x = np.empty((frame.height, len(chosen)), dtype=np.float32)
    for place, name in enumerate(chosen):
        x[:, place] = _as_floats(columns[name], frame["row"], names[place], where)
    check_finite(x, where, names, frame["row"].to_numpy())
    note = f"features are the {len(names)} columns of numbers: {listed(names, 5)}"
    left = [name.removeprefix(REST) for name in columns if name not in chosen]
    return x, note + (f"; not used: {listed(left, 5)}" if left else "")


def _is_numeric(column: "pl.Series") -> bool:
    import polars as pl

    if column.dtype != pl.String:
        return column.dtype.is_numeric() or column.dtype == pl.Boolean
    head = column.head(_SNIFFED_ROWS).drop_nulls()
    return len(head) > 0 and head.cast(pl.Float32, strict=False).null_count() == 0


def _as_floats(column: "pl.Series", rows: "pl.Series", name: str, where: str) -> NDArray[Any]:
    import polars as pl

    floats = column.cast(pl.Float32, strict=False)
    bad = (floats.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataInvalidError(
            f"column {name!r} of {where} holds {column[bad[0]]!r} in row {rows[bad[0]]} "
            "(counted from 0), which is no number"
        )
    return floats.fill_null(float("nan")).to_numpy()
