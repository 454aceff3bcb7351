"""preview: a file's first rows, its columns with their types, and what they would be taken for.

Read in a child with the readers that a calibration uses, in limited time and memory.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from advisor.errors import DataInvalidError
from advisor.summary import DataPreview, PreviewColumn
from advisor.task import Columns, DataSource
from profiler.isolation import ChildFailedError, in_child
from profiler.readers import format_of
from profiler.readers.columns import COMMON_NAMES, choose_columns
from profiler.readers.delimited import check_is_text, holds_integers, unpacked
from profiler.readers.inter import without_type
from profiler.readers.table import TABLE_FORMATS, check_is_file

if TYPE_CHECKING:
    import polars as pl

_LIMIT_SECONDS = 60.0
_LIMIT_BYTES = 4 * 2**30
_CELL_LENGTH = 200
_LINE_BYTES = 4096
Row = tuple[Any, ...]
# What numpy and zipfile raise where a header, which is a Python literal, or a member is broken.
_DAMAGED = (
    *(ValueError, SyntaxError, tokenize.TokenError, OSError, EOFError, KeyError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)


def preview(source: DataSource, n_rows: int) -> DataPreview:
    """The file at a glance; raises DataInvalidError for one that cannot be read."""
    try:
        (found,) = in_child(
            "profiler.preview:preview_in_child",
            {"source": source, "n_rows": n_rows},
            needs_torch=False,
            time_limit_seconds=_LIMIT_SECONDS,
            memory_limit_bytes=_LIMIT_BYTES,
        )
    except ChildFailedError as error:
        raise DataInvalidError(f"{source.path!r} could not be read: {error.detail}") from error
    return found


def preview_in_child(source: DataSource, n_rows: int) -> Iterator[DataPreview]:
    """The child's side of `preview`."""
    path, where, file_format = Path(source.path), repr(source.path), format_of(source)
    check_is_file(path, where)
    mapping: dict[str, str] = {}
    rows: list[Row] = []
    if file_format in TABLE_FORMATS:
        columns, rows, mapping = _table(source, path, where, n_rows)
    elif file_format in ("npz", "npy"):
        columns = _arrays(path, where)
    else:
        columns, rows = [PreviewColumn(name="line", type="text")], _lines(path, where, n_rows)
    yield DataPreview(format=file_format, columns=tuple(columns), rows=tuple(rows), mapping=mapping)


def _table(
    source: DataSource, path: Path, where: str, n_rows: int
) -> tuple[list[PreviewColumn], list[Row], dict[str, str]]:
    reader = import_module(f"profiler.readers.{format_of(source)}")
    found = reader.column_names(path, where)
    frame: pl.DataFrame = reader.head(path, found, where, n_rows)
    plain = [without_type(n) for n in found] if format_of(source) == "inter" else found
    chosen, _ = choose_columns(plain, Columns(), tuple(COMMON_NAMES), (), where)
    columns = [
        PreviewColumn(name=name, type=_type(frame[full]))
        for name, full in zip(plain, found, strict=True)
    ]
    rows = [tuple(map(_cell, row)) for row in frame.select(found).iter_rows()]
    return columns, rows, {str(field): name for field, name in chosen.items()}


def _type(column: "pl.Series") -> str:
    import polars as pl

    dtype = column.dtype
    if dtype == pl.String:
        if holds_integers(column):
            return "integer"
        values = column.drop_nulls()
        is_number = len(values) > 0 and values.cast(pl.Float64, strict=False).null_count() == 0
        return "number" if is_number else "text"
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    return "list" if isinstance(dtype, pl.List | pl.Array) else str(dtype).lower()


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _CELL_LENGTH else f"{text[:_CELL_LENGTH]}..."


def _lines(path: Path, where: str, n_rows: int) -> list[Row]:
    check_is_text(path, where)
    try:
        with unpacked(path) as file:
            cut = (file.readline(_LINE_BYTES) for _ in range(n_rows))
            lines = [line.decode(errors="replace") for line in cut if line]
    except (OSError, EOFError) as error:
        raise DataInvalidError(f"{where} could not be read: {error}") from error
    return [(_cell(line.rstrip("\r\n")),) for line in lines]


def _arrays(path: Path, where: str) -> list[PreviewColumn]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return [PreviewColumn(name="X", type=_header(file))]
            with zipfile.ZipFile(file) as members:
                names = [n for n in members.namelist() if n.endswith(".npy")]
                found: list[PreviewColumn] = []
                for name in islice(names, 100):
                    with members.open(name) as member:
                        kind = _header(member)  # pyright: ignore[reportArgumentType]
                        found.append(PreviewColumn(name=name.removesuffix(".npy"), type=kind))
                return found
    except _DAMAGED as error:
        raise DataInvalidError(f"{where} could not be read as numpy's arrays: {error}") from error


def _header(file: BinaryIO) -> str:
    """The dtype and shape that an array's header says; the array itself is not read."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"version {version} of the format is not known")
    shape, _, dtype = read[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never read; save plain arrays")
    return f"{dtype}{list(shape)}"
