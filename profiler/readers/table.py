"""A file with columns -> a frame of the fields that a kind asks for, and notes.

Rules: rows that lack a required field or the split are dropped and counted; ids keep their type
(integer or text); nothing else is changed here, and the order of the rows is the file's.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.readers.columns import Field, choose_columns
from profiler.readers.formats import format_of
from profiler.readers.inter import without_type

if TYPE_CHECKING:
    import polars as pl


class Table(NamedTuple):
    """The columns read, named by their field; the split, if any, is int8 0, 1, 2.

    With the rest: every other column as "rest:" and its name, and `row`, its row in the file.
    """

    frame: "pl.DataFrame"
    notes: tuple[str, ...]


TABLE_FORMATS = ("csv", "tsv", "parquet", "inter")
REST = "rest:"
PARTS = {"0": 0, "train": 0, "1": 1, "valid": 1, "validation": 1, "2": 2, "test": 2}


def read_table(
    source: DataSource,
    path: Path,
    fields: Sequence[Field],
    required: Sequence[Field],
    *,
    with_rest: bool = False,
    lists: Sequence[Field] = (),
) -> Table:
    """Read the fields that the file has; the required ones it must have, `lists` may be lists.

    `path` is where the source's path lies on this machine; messages name it as the user gave it.
    Raises DataInvalidError, with one sentence, for whatever keeps the file from being read.
    """
    where = repr(source.path)
    file_format = format_of(source)
    check_is_file(path, where)
    if file_format not in TABLE_FORMATS:
        raise DataInvalidError(
            f"{where} is read as {file_format}, which has no columns; "
            f"give {', '.join(TABLE_FORMATS)}"
        )
    reader = import_module(f"profiler.readers.{file_format}")
    found = reader.column_names(path, where)
    plain = [without_type(n) for n in found] if file_format == "inter" else found
    columns = source.columns
    if file_format == "inter":
        columns = columns.model_copy(
            update={f: without_type(n) for f, n in columns if n is not None and n in found}
        )
    chosen, notes = choose_columns(plain, columns, fields, required, where)
    names: dict[str, str] = {field: found[plain.index(name)] for field, name in chosen.items()}
    if with_rest:
        taken = set(names.values())
        names |= {f"{REST}{name}": name for name in found if name not in taken}
    frame = reader.read(path, list(dict.fromkeys(names.values())), where)
    frame = frame.select(frame[name].alias(field) for field, name in names.items())
    if frame.height == 0:
        raise DataInvalidError(f"{where} has a header but no rows")
    _check_cells(frame, lists, names, where)
    if with_rest:
        frame = frame.with_row_index("row")
    if "split" in frame.columns:
        frame = frame.with_columns(_parts(frame["split"], chosen["split"], where))
    elif "split" in fields and "split" in plain:
        notes.append("column 'split' is there but not used; to use it, map split: split")
    frame, dropped = _without_missing(frame, required, where)
    return Table(frame, (*notes, *dropped))


def check_is_file(path: Path, where: str) -> None:
    """Raises DataInvalidError unless the path is a file that may be read and is not empty."""
    try:
        if path.is_dir():
            raise DataInvalidError(f"{where} is a directory; give a file")
        if not path.is_file():
            raise DataInvalidError(f"there is no file {where}")
        with path.open("rb") as file:
            if not file.read(1):
                raise DataInvalidError(f"{where} is empty")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataInvalidError(f"{where} could not be opened: {reason}") from error


def _check_cells(
    frame: "pl.DataFrame", lists: Sequence[str], names: dict[str, str], where: str
) -> None:
    import polars as pl

    for field, dtype in frame.schema.items():
        is_cell = not dtype.is_nested() and dtype != pl.Binary
        if not is_cell and field not in lists and not field.startswith(REST):
            raise DataInvalidError(
                f"column {names[field]!r} of {where} holds {dtype}; "
                f"{'a text' if field == 'text' else 'an id'} is "
                f"{'no list' if field == 'text' else 'a number or a text'}"
            )


def _parts(split: "pl.Series", name: str, where: str) -> "pl.Series":
    """The split as int8 0, 1, 2, missing where missing; raises DataInvalidError for other words."""
    import polars as pl

    words = split.cast(pl.String).str.strip_chars().str.to_lowercase()
    unknown = words.drop_nulls().unique(maintain_order=True)
    unknown = unknown.filter(~unknown.is_in(list(PARTS)))
    if len(unknown):
        raise DataInvalidError(
            f"column {name!r} of {where} says {unknown[0]!r} for the split; "
            f"allowed are {', '.join(PARTS)}"
        )
    return words.replace_strict(PARTS, return_dtype=pl.Int8, default=None).alias("split")


def _without_missing(
    frame: "pl.DataFrame", required: Sequence[Field], where: str
) -> tuple["pl.DataFrame", list[str]]:
    needed = [name for name in (*required, "split") if name in frame.columns]
    for name in needed:
        if frame[name].null_count() == frame.height:
            raise DataInvalidError(f"the {name} is missing in every row of {where}")
    kept = frame.drop_nulls(needed)
    n_dropped = frame.height - kept.height
    if kept.height == 0:
        raise DataInvalidError(f"no row of {where} has all of {', '.join(needed)}")
    note = f"{n_dropped:,} of {frame.height:,} rows dropped: no {' or no '.join(needed)}"
    return kept, [note] if n_dropped else []
