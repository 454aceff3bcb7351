"""Apache Parquet; only the columns asked for are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.errors import DataInvalidError

if TYPE_CHECKING:
    import polars as pl


def column_names(path: Path, where: str) -> list[str]:
    """Names of the file's columns; raises DataInvalidError if it is no parquet file."""
    import polars as pl

    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataInvalidError(f"{where} could not be read as parquet: it is not one") from error


def head(path: Path, names: Sequence[str], where: str, n_rows: int) -> "pl.DataFrame":
    """The first rows of the named columns."""
    return _read(path, names, where, n_rows)


def read(path: Path, names: Sequence[str], where: str) -> "pl.DataFrame":
    """The named columns, empty text and NaN as missing."""
    return _read(path, names, where, None)


def _read(path: Path, names: Sequence[str], where: str, n_rows: int | None) -> "pl.DataFrame":
    import polars as pl

    try:
        frame = pl.read_parquet(path, columns=list(names), n_rows=n_rows)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataInvalidError(f"{where} could not be read as parquet: it is damaged") from error
    return frame.with_columns(_missing_as_null(name, dtype) for name, dtype in frame.schema.items())


def _missing_as_null(name: str, dtype: "pl.DataType") -> "pl.Expr":
    import polars as pl

    column = pl.col(name)
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = column.cast(pl.String)
        return pl.when(text != "").then(text).otherwise(None).alias(name)
    return column
