"""Good files of every format, spoilt: what a broken disk, a wrong tool or a bad mind would send."""

import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from tests.bad_files import LABELS, X, Y


class Good(NamedTuple):
    """A file that can be read as a task of a kind."""

    kind: str
    name: str
    content: bytes


def good_files() -> dict[str, Good]:
    """One of each format."""
    rows = [(f"u{n % 20}", f"i{n % 30}", n) for n in range(600)]
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    lines = b"".join(b"%d %d:1 %d:0.5\n" % (n % 5, n % 7, 7 + n % 3) for n in range(200))
    words = b"the cat sat on the mat and the dog ate the bone of the cat\n" * 60
    return {
        "csv": Good("interactions", "a.csv", frame.write_csv().encode()),
        "tsv": Good("interactions", "a.tsv", frame.write_csv(separator="\t").encode()),
        "inter": Good("interactions", "a.inter", _inter(rows)),
        "parquet": Good("interactions", "a.parquet", _written(frame.write_parquet)),
        "npz": Good("multilabel", "a.npz", _written(lambda f: np.savez(f, X=X, y=LABELS))),
        "npy": Good("embeddings", "a.npy", _written(lambda f: np.save(f, X))),
        "svmlight": Good("features", "a.svm", lines),
        "text": Good("text", "a.txt", words),
        "features": Good("features", "b.npz", _written(lambda f: np.savez(f, X=X, y=Y))),
    }


def spoilt(content: bytes, n: int, seed: int) -> Iterator[bytes]:
    """`n` files, each the good one with a few things done to it."""
    generator = np.random.default_rng(seed)
    for _ in range(n):
        spoiling = bytearray(content)
        for _ in range(generator.integers(1, 5)):
            _SPOILS[generator.integers(len(_SPOILS))](spoiling, generator)
        yield bytes(spoiling)


def _cut(content: bytearray, generator: np.random.Generator) -> None:
    del content[generator.integers(len(content) + 1) :]


def _lose(content: bytearray, generator: np.random.Generator) -> None:
    start = generator.integers(len(content) + 1)
    del content[start : start + generator.integers(1, 100)]


def _repeat(content: bytearray, generator: np.random.Generator) -> None:
    start = generator.integers(len(content) + 1)
    content[start:start] = content[start : start + generator.integers(1, 1000)]


def _flip(content: bytearray, generator: np.random.Generator) -> None:
    for place in generator.integers(max(1, len(content)), size=generator.integers(1, 20)):
        if content:
            content[place] = generator.integers(256)


def _insert(content: bytearray, generator: np.random.Generator) -> None:
    start = generator.integers(len(content) + 1)
    content[start:start] = _STRANGE[generator.integers(len(_STRANGE))]


def _header(content: bytearray, generator: np.random.Generator) -> None:
    """Lengths and kinds stand at the ends of binary files."""
    for place in (generator.integers(64), -1 - generator.integers(64)):
        if len(content) > 64:
            content[place] = generator.integers(256)


_SPOILS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _cut,
    _lose,
    _repeat,
    _flip,
    _insert,
    _header,
)
_STRANGE = (
    b"\x00" * 40,
    b"\xff\xfe\x00\x00",
    b"\xef\xbb\xbf",
    b'"',
    b'"\n"',
    b"\r\r\n",
    b",,,,,,",
    b"nan,inf,-inf,1e999\n",
    b"9" * 400,
    b"-" * 3,
    "\u202e\u2028e\u0301\U0001f600".encode(),
    b"=cmd|' /C calc'!A0",
    b"cos\nsystem\n(S'true'\ntR.",  # a pickle that would run something
    b"\x1f\x8b\x08\x00",
    b"PK\x03\x04",
    b"PAR1",
    b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    b"x" * 5000,
)


def _inter(rows: list[tuple[str, str, int]]) -> bytes:
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    return (header + "".join(f"{u}\t{i}\t{t}\n" for u, i, t in rows)).encode()


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()
