"""What a file is, told by its first bytes."""

import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from advisor.errors import DataInvalidError
from advisor.task import DataSource
from profiler.preview import preview_in_child
from profiler.readers.sniff import HEAD_BYTES, sniff


def _saved(save, *arrays, **named) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


KNOWN = {
    "csv": b"user,item\nu1,i1\nu2,i2\n",
    "csv with quotes": b'user,item\nu1,"a, b"\nu2,i2\n',
    "csv with a ragged line": b"user,item\n" + b"u1,i1\n" * 20 + b"u2,i2,3\n",
    "tsv": b"user\titem\nu1\ti1\n",
    "inter": b"user_id:token\titem_id:token\trating:float\nu1\ti1\t3\n",
    "svmlight": b"1 1:0.5 3:2e-3\n2,3 2:1 # a comment\n",
    "svmlight of the XC repository": b"2 5 4\n1,2 0:0.5 3:1\n 1:1\n",
    "text": b"It was the best of times, it was the worst of times.\nAnd so on, and on, and on.\n",
    "text of one line, with commas": b"one, two, three",
    "npy": _saved(np.save, np.zeros((2, 3))),
    "npz": _saved(np.savez, X=np.zeros((2, 3)), y=np.zeros(2)),
    "npz compressed": _saved(np.savez_compressed, X=np.zeros((2, 3))),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_format_is_told_by_its_content(name: str) -> None:
    assert sniff(KNOWN[name], "'it'") == (name.split()[0], False)


@pytest.mark.parametrize("name", ["csv", "tsv", "inter", "svmlight", "text"])
def test_gzipped_text_is_told_by_what_is_inside(name: str) -> None:
    found = sniff(gzip.compress(KNOWN[name])[:HEAD_BYTES], "'it'")
    assert found == (name, True)
    assert found.ending.endswith(".gz")


def test_a_line_that_the_head_cuts_decides_nothing() -> None:
    content = b"user,item,price\n" + b"u1,i1,1\n" * HEAD_BYTES
    assert sniff(content[: HEAD_BYTES - 3], "'it'").format == "csv"
    letters = "é".encode() * HEAD_BYTES
    assert sniff(letters[1:][:HEAD_BYTES][1:], "'it'").format == "text"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x1c\x1d\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no known format"),
        (b"\x80\x04\x95\x10\0\0\0", "no known format"),  # a pickle
        (b"\xff\xfeu\0s\0", "no known format"),
        (b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0" + b"a.txt", "not one of numpy arrays"),
        (b"PK\x03\x04", "not one of numpy arrays"),
        (b"\x1f\x8b\x08" + b"\xff" * 40, "damaged"),
        (gzip.compress(b"\0\1\2", mtime=0), "no known format"),
    ],
)
def test_what_is_none_of_them_is_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(DataInvalidError, match=sentence):
        sniff(content, "'it'")


@pytest.mark.parametrize("name", [*KNOWN, "parquet"])
def test_a_damaged_file_is_shown_or_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(len(name))
    for _ in range(40):
        content = bytearray(KNOWN.get(name) or _parquet())
        for _ in range(generator.integers(1, 6)):
            place = generator.integers(len(content))
            wrong = generator.choice([0, 10, 31, 34, 44, 123, 255], size=generator.integers(1, 4))
            content[place : place + generator.integers(20)] = bytes(wrong.tolist())
        assert len(_said_of(bytes(content), tmp_path).splitlines()) == 1


def _said_of(content: bytes, folder: Path) -> str:
    """The preview, or why there is none; any other error would be a failure of the service."""
    try:
        found = sniff(content[:HEAD_BYTES], "'it'")
        file = folder / f"it{found.ending}"
        file.write_bytes(content)
        (shown,) = preview_in_child(DataSource(path=str(file), format=found.format), 5)
    except DataInvalidError as error:
        return str(error)
    return shown.model_dump_json()


def _parquet() -> bytes:
    frame = pl.DataFrame({"user": [1, 2, 3], "item": ["a", "b", None], "tags": [[1], [], [2, 3]]})
    return _saved(lambda file: frame.write_parquet(file))
