"""svmlight text, `label[,label...] feature:value ...`, one row a line, through scikit-learn.

With a first line of three whole numbers it is the format of the extreme classification repository:
rows, features and labels in all, the ids of both from 0. Without it features count from 1 if none
is 0. gzip is unpacked on the way.
"""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.readers.delimited import check_is_text, unpacked
from profiler.readers.labelled import Labelled, csr, whole_numbers

_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s+(\d+)\s*")
_NUMBER = rb"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf|infinity)"
_LINE = re.compile(
    rb"\s*(?:%b(?:,%b)*)?(?:\s+\d+:%b)*\s*(?:#.*)?" % (_NUMBER, _NUMBER, _NUMBER), re.IGNORECASE
)


def read(source: DataSource, path: Path, *, is_single: bool) -> Labelled:
    """Sparse features and their classes; raises DataInvalidError, naming the line."""
    from sklearn.datasets import load_svmlight_file

    del is_single  # the lines say how many labels they have
    where = repr(source.path)
    check_is_text(path, where)
    content = _content(path, where)
    first, _, rest = content.partition(b"\n")
    header = _HEADER.fullmatch(first)
    how: dict[str, Any] = {"dtype": np.float32, "zero_based": True if header else "auto"}
    try:
        x, labels = load_svmlight_file(BytesIO(rest if header else content), multilabel=True, **how)
    except (ValueError, OverflowError) as error:
        raise DataInvalidError(_what_is_wrong(content, bool(header), where, error)) from error
    counts = np.array([len(row) for row in labels], dtype=np.int64)
    given = np.array([label for row in labels for label in row], dtype=np.float64)
    ids = whole_numbers(given, np.repeat(np.arange(len(counts)), counts), where)
    n_classes = int(ids.max(initial=-1)) + 1
    if header is not None:
        n_features, n_classes = _checked(header, (*x.shape, n_classes), where)
        x.resize((len(labels), n_features))
    return Labelled(x, csr(ids, np.concatenate(([0], np.cumsum(counts))), n_classes))


def _checked(header: re.Match[bytes], found: tuple[int, int, int], where: str) -> tuple[int, int]:
    """Features and labels as the header says; raises DataInvalidError if there are more."""
    said = tuple(int(n) for n in header.groups())
    for name, n, least in zip(("rows", "features", "labels"), said, found, strict=True):
        if least > n or (name == "rows" and least < n):
            raise DataInvalidError(
                f"the first line of {where} says {n:,} {name}, but there are {least:,}"
            )
    return said[1], said[2]


def _content(path: Path, where: str) -> bytes:
    try:
        with unpacked(path) as file:
            return file.read()
    except (OSError, EOFError) as error:
        raise DataInvalidError(f"{where} could not be read: {error}") from error


def _what_is_wrong(content: bytes, has_header: bool, where: str, error: Exception) -> str:
    for number, line in enumerate(content.splitlines(), start=1):
        if not _LINE.fullmatch(line) and not (has_header and number == 1):
            shown = line[:40].decode("utf-8", errors="replace")
            return f"line {number} of {where} is no 'label feature:value ...', but {shown!r}"
    return f"{where} could not be read as svmlight text: {error}"
