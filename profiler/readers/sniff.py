"""Which format a file is in by its first bytes, whatever its name says.

Nothing is executed and little is read: a few magic numbers, and the shape of the first lines.
"""

import codecs
import csv
import re
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from advisor.errors import DataInvalidError
from advisor.task import Format

HEAD_BYTES = 65536
ENDING: dict[Format, str] = {"text": ".txt", "svmlight": ".svm"}
"""The ending of a format, where it is not its name."""
_LINES = 50
_ALIKE = 0.9  # of the lines must have the header's number of fields
_ATOMIC = re.compile(r"[^:]+:(token|token_seq|float|float_seq)")
_SVMLIGHT = re.compile(r"[^\s:]*(\s+\d+:[-+.\deE]+)+\s*(#.*)?")
_XC_SIZES = re.compile(r"\d+ \d+ \d+\s*")


class Sniffed(NamedTuple):
    """What the bytes are."""

    format: Format
    is_compressed: bool

    @property
    def ending(self) -> str:
        """What a file of this content is called by."""
        plain = ENDING.get(self.format, f".{self.format}")
        return f"{plain}.gz" if self.is_compressed else plain


def sniff(head: bytes, where: str) -> Sniffed:
    """The format of a file with this head (its first HEAD_BYTES); raises DataInvalidError."""
    if head.startswith(b"\x1f\x8b"):
        return Sniffed(_text_format(_unpacked(head, where), where), True)
    if head.startswith(b"PAR1"):
        return Sniffed("parquet", False)
    if head.startswith(b"\x93NUMPY"):
        return Sniffed("npy", False)
    if head.startswith(b"PK\x03\x04"):
        n_name = int.from_bytes(head[26:28], "little")
        if head[30 : 30 + n_name].endswith(b".npy"):
            return Sniffed("npz", False)
        raise DataInvalidError(f"{where} is a zip file, but not one of numpy arrays (npz)")
    return Sniffed(_text_format(head, where), False)


def _unpacked(head: bytes, where: str) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise DataInvalidError(f"{where} begins as gzip, but it is damaged") from error


def _text_format(head: bytes, where: str) -> Format:
    if not head.strip():
        raise DataInvalidError(f"{where} is empty")
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataInvalidError(
            f"{where} is of no known format: send a table (csv, tsv, parquet, RecBole inter), "
            "UTF-8 text, svmlight text, or numpy's npz or npy; text may be gzipped"
        )
    lines = text.splitlines()
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        lines.pop()  # which is cut
    lines = [line for line in lines[: _LINES + 1] if line.strip()][:_LINES]
    if not lines:
        raise DataInvalidError(f"{where} is empty")
    for name, is_it in _TEXT_FORMATS:
        if is_it(lines):
            return name
    return "text"


def _is_inter(lines: Sequence[str]) -> bool:
    return all(_ATOMIC.fullmatch(name) for name in lines[0].split("\t"))


def _is_svmlight(lines: Sequence[str]) -> bool:
    rows = lines[1:] if _XC_SIZES.fullmatch(lines[0]) else lines
    return bool(rows) and _share(rows, lambda row: bool(_SVMLIGHT.fullmatch(row))) >= _ALIKE


def _is_separated(lines: Sequence[str], separator: str) -> bool:
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return False
    n_fields = len(rows[0])
    return n_fields > 1 < len(rows) and _share(rows[1:], lambda r: len(r) == n_fields) >= _ALIKE


def _share(rows: Sequence[object], holds: Callable[..., bool]) -> float:
    return sum(map(holds, rows)) / len(rows)


_TEXT_FORMATS: tuple[tuple[Format, Callable[[Sequence[str]], bool]], ...] = (
    ("inter", _is_inter),
    ("svmlight", _is_svmlight),
    ("tsv", lambda lines: _is_separated(lines, "\t")),
    ("csv", lambda lines: _is_separated(lines, ",")),
)
