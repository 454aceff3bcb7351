"""Delimited text (csv, tsv, inter) through polars, and what is wrong with it in one sentence.

Integer ids stay integers, anything else is text; an empty field, NA, NaN, null or None is missing.
"""

import codecs
import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.errors import DataInvalidError
from profiler.readers.columns import listed

if TYPE_CHECKING:
    import polars as pl

MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons"}
WAY_OUT = {",": "say format: csv", "\t": "say format: tsv"}
SNIFFED_ROWS = 1000
SNIFFED_BYTES = 65536
BLOCK_BYTES = 2**20
QUOTED_BYTES = 2**26  # of a file with quotes so much is looked through, line by line


def column_names(path: Path, where: str, *, separator: str, quote: str | None) -> list[str]:
    """Names in the header line; raises DataInvalidError if this is not text of several columns."""
    check_is_text(path, where)
    names = _read(path, where, separator, quote, n_rows=0).columns
    if len(names) == 1:
        others = {s: text for s, text in SEPARATORS.items() if s != separator and s in names[0]}
        hint = "".join(
            f"; if it is separated by {text}, {WAY_OUT.get(other, 'save it with commas')}"
            for other, text in list(others.items())[:1]
        )
        raise DataInvalidError(
            f"{where} has only one column, {names[0][:80]!r}, "
            f"when read as separated by {SEPARATORS[separator]}{hint}"
        )
    repeated = sorted({n for n in names if f"{n}_duplicated_0" in names})
    if repeated and all(re.fullmatch(r"-?[0-9.]+", name) for name in repeated):
        held = listed([re.sub(r"_duplicated_\d+$", "", name) for name in names])
        raise DataInvalidError(
            f"the first line of {where} must name its columns, but it holds {held}"
        )
    if repeated:
        raise DataInvalidError(f"{where} has more than one column named {listed(repeated)}")
    return names


def head(
    path: Path,
    names: Sequence[str],
    where: str,
    n_rows: int = SNIFFED_ROWS,
    *,
    separator: str,
    quote: str | None,
) -> "pl.DataFrame":
    """The first rows of the named columns, as text."""
    return _read(path, where, separator, quote, n_rows=n_rows, columns=list(names))


def read(
    path: Path, names: Sequence[str], where: str, *, separator: str, quote: str | None
) -> "pl.DataFrame":
    """The named columns, each as int64 if it holds integers only, else as text."""
    import polars as pl

    n_fields = len(column_names(path, where, separator=separator, quote=quote))
    if len(names) < n_fields:
        check_widths(path, n_fields, where, separator=separator, quote=quote)
    first = head(path, names, where, separator=separator, quote=quote)
    integers = [n for n in names if holds_integers(first[n])]
    types: dict[str, Any] = {n: pl.Int64 if n in integers else pl.String for n in names}
    if integers:
        try:
            return _read_raw(path, separator, quote, columns=list(names), schema_overrides=types)
        except (
            pl.exceptions.PolarsError,
            pl.exceptions.PanicException,
            OSError,
        ):  # a text id comes later, or the fault is another one
            types = dict.fromkeys(names, pl.String)
    return _read(path, where, separator, quote, columns=list(names), schema_overrides=types)


def holds_integers(column: "pl.Series") -> bool:
    """Whether all texts of a column are integers, and there are some."""
    import polars as pl

    values = column.drop_nulls()
    return len(values) > 0 and values.cast(pl.Int64, strict=False).null_count() == 0


def check_widths(
    path: Path, n_fields: int, where: str, *, separator: str, quote: str | None
) -> None:
    """Raises DataInvalidError if a line has more fields than the header has.

    Where not every column is read polars does not notice, and takes what stands in the first ones.
    """
    begun = b""  # of the line that a block ends in
    try:
        with unpacked(path) as file:
            while block := file.read(BLOCK_BYTES):
                whole, newline, begun = (begun + block).rpartition(b"\n")
                if quote and quote.encode() in block:
                    is_ragged = _is_ragged_quoted(path, separator, quote)
                    break
                is_ragged = _most_separators(whole + newline, separator) >= n_fields
                if is_ragged:
                    break
            else:
                is_ragged = begun.count(separator.encode()) >= n_fields
    except (OSError, EOFError) as error:
        raise DataInvalidError(f"{where} could not be read: {error}") from error
    if is_ragged:
        raise DataInvalidError(f"{where} is ragged: {_first_long_line(path, separator, quote)}")


def _most_separators(lines: bytes, separator: str) -> int:
    """In any of these whole lines."""
    if not lines:
        return 0
    of_bytes = np.frombuffer(lines, np.uint8)
    starts = np.concatenate(([0], np.flatnonzero(of_bytes[:-1] == ord("\n")) + 1))
    return int(np.add.reduceat(of_bytes == ord(separator), starts, dtype=np.int64).max())


def _is_ragged_quoted(path: Path, separator: str, quote: str) -> bool:
    with unpacked(path) as file:
        lines = (line.decode(errors="replace") for line in file.readlines(QUOTED_BYTES))
        rows = csv.reader(lines, delimiter=separator, quotechar=quote)
        try:
            n_columns = len(next(rows))
            return any(len(row) > n_columns for row in rows)
        except csv.Error:
            return False  # polars says what is wrong with the quotes


def _read(
    path: Path, where: str, separator: str, quote: str | None, **options: Any
) -> "pl.DataFrame":
    import polars as pl

    try:
        return _read_raw(path, separator, quote, **options)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataInvalidError(_what_is_wrong(error, path, where, separator, quote)) from error


def _read_raw(path: Path, separator: str, quote: str | None, **options: Any) -> "pl.DataFrame":
    import polars as pl

    options.setdefault("infer_schema", False)  # text unless a type is given
    return pl.read_csv(path, separator=separator, quote_char=quote, null_values=MISSING, **options)


def check_is_text(path: Path, where: str) -> None:
    """Raises DataInvalidError unless the file begins as UTF-8 text that is not blank."""
    try:
        with unpacked(path) as file:
            head = file.read(SNIFFED_BYTES)
    except (OSError, EOFError) as error:
        raise DataInvalidError(f"{where} could not be read: {error}") from error
    if not head.strip():
        raise DataInvalidError(f"{where} is empty")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataInvalidError(f"{where} is UTF-16 text; save it as UTF-8")
    if head.startswith(b"PAR1"):
        raise DataInvalidError(f"{where} is a parquet file; say format: parquet")
    if b"\0" in head:
        raise DataInvalidError(f"{where} is not text but binary")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError as error:
        raise DataInvalidError(f"{where} is not UTF-8 text; save it as UTF-8") from error


def unpacked(path: Path) -> Any:
    """The file opened for reading bytes, gzip unpacked on the way."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _what_is_wrong(
    error: BaseException, path: Path, where: str, separator: str, quote: str | None
) -> str:
    text = str(error)
    if "utf-8" in text.lower() or "utf8" in text.lower():
        return f"{where} is not UTF-8 text; save it as UTF-8"
    if "more fields" in text:
        return f"{where} is ragged: {_first_long_line(path, separator, quote)}"
    if "could not parse" in text:  # as text: then only the quotes can be wrong
        return f"{where} could not be read: a quoted text is not closed"
    return f"{where} could not be read: {text.splitlines()[0] if text else type(error).__name__}"


def _first_long_line(path: Path, separator: str, quote: str | None) -> str:
    quoting = csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL
    with unpacked(path) as file:
        lines = (line.decode(errors="replace") for line in file)
        rows = csv.reader(lines, delimiter=separator, quoting=quoting)
        n_columns = len(next(rows))
        try:
            for row in rows:
                if len(row) > n_columns:
                    return f"line {rows.line_num} has {len(row)} fields, the header {n_columns}"
        except csv.Error:
            pass
    return f"a line has more fields than the header's {n_columns}"
