"""Bad files, each with one clear sentence: what was given, and what is allowed or was found."""

import gzip

import polars as pl
import pytest

from advisor.errors import DataInvalidError
from advisor.task import Columns, DataSource
from profiler.readers import delimited, read_table

LATIN = "user,item\n1,caf\xe9\n".encode("latin-1")
BAD_CONTENTS = {
    "empty": ("x.csv", b"", "'x.csv' is empty"),
    "blank": ("x.csv", b" \n\n", "'x.csv' is empty"),
    "header only": ("x.csv", b"user,item\n", "'x.csv' has a header but no rows"),
    "binary": ("x.csv", bytes(range(256)) * 9, "'x.csv' is not text but binary"),
    "bytes": ("x.csv", b"\xfa\xfb,\xfc\n" * 9, "'x.csv' is not UTF-8 text; save it as UTF-8"),
    "latin-1": ("x.csv", LATIN, "'x.csv' is not UTF-8 text; save it as UTF-8"),
    "utf-16": ("x.csv", "user,item\n1,2\n".encode("utf-16"), "'x.csv' is UTF-16 text; save it as"),
    "parquet as csv": ("x.csv", b"PAR1....", "'x.csv' is a parquet file; say format: parquet"),
    "csv as parquet": ("x.parquet", b"user,item\n1,2\n", "could not be read as parquet: it is not"),
    "broken gzip": ("x.csv.gz", gzip.compress(b"user,item\n1,2\n" * 99)[:-30], "could not be read"),
    "semicolons": (
        *("x.csv", b"user;item\n1;2\n"),
        "'x.csv' has only one column, 'user;item', when read as separated by commas; "
        "if it is separated by semicolons, save it with commas",
    ),
    "tabs": ("x.csv", b"user\titem\n1\t2\n", "if it is separated by tabs, say format: tsv"),
    "commas": ("x.tsv", b"user,item\n1,2\n", "if it is separated by commas, say format: csv"),
    "one column": ("x.csv", b"user\n1\n", "only one column, 'user', when read as separated by"),
    "ragged": ("x.csv", b"user,item\n1,2\n1,2,3\n", "is ragged: line 3 has 3 fields, the header 2"),
    "late ragged": (
        "x.csv",
        b"user,item\n" + b"1,2\n" * 2000 + b"1,2,3\n",
        "ragged: line 2002 has",
    ),
    "ragged beside what is read": (
        *("x.csv", b"user,item,note\n" + b"1,2,a\n" * 2000 + b"1,Smith, J,a\n"),
        "'x.csv' is ragged: line 2002 has 4 fields, the header 3",
    ),
    "ragged beside what is read, quoted": (
        *("x.csv", b'user,item,note\n1,"2,2",a\n1,Smith, J,a\n'),
        "'x.csv' is ragged: line 3 has 4 fields, the header 3",
    ),
    "ragged beside what is read, zipped, at the end": (
        *("x.csv.gz", gzip.compress(b"user,item,note\n1,2,a\n1,2,a,b", mtime=0)),
        "'x.csv.gz' is ragged: line 3 has 4 fields, the header 3",
    ),
    "quote": ("x.csv", b'user,item\n"a,1\nb,2\n', "could not be read: a quoted text is not closed"),
    "late latin-1": ("x.csv", b"user,item\n" + b"a,b\n" * 30000 + b"a,\xe9\n", "is not UTF-8 text"),
    "twice": ("x.csv", b"user,item,item\n1,2,3\n", "more than one column named 'item'"),
    "no names": (
        *("x.csv", b"196,242,3\n186,302,3\n"),
        "the first line of 'x.csv' must name its columns, but it holds '196', '242', '3'",
    ),
    "unknown names": (
        *("x.csv", b"a,item,c\n1,2,3\n"),
        "no column of 'x.csv' is known by its name as the user; it has 'a', 'item', 'c': "
        "map them with data.columns",
    ),
    "no item anywhere": ("x.csv", b"user,item\n1,NaN\n2,\n", "the item is missing in every row"),
    "never both": ("x.csv", b"user,item\n1,\n,2\n", "no row of 'x.csv' has all of user, item"),
    "ending": ("x.xlsx", b"PK", "'x.xlsx' has no known ending; known are .csv, .csv.gz, .tsv"),
}


def read(path, monkeypatch, **columns):
    monkeypatch.chdir(path.parent)
    source = DataSource(path=path.name, columns=Columns(**columns))
    return read_table(source, path, ("user", "item", "split"), ("user", "item"))


def message(path, monkeypatch, **columns):
    with pytest.raises(DataInvalidError) as caught:
        read(path, monkeypatch, **columns)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("name", "content", "expected"), BAD_CONTENTS.values(), ids=BAD_CONTENTS)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, monkeypatch, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)
    assert expected in message(path, monkeypatch)


def test_commas_within_quotes_are_no_fields(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text('user,item,note\n"a,b",1,"c, d, e"\n"f",2,\n')
    assert read(path, monkeypatch).frame["user"].to_list() == ["a,b", "f"]


def test_a_line_across_two_blocks_is_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 7)
    path = tmp_path / "x.csv"
    path.write_text("user,item,note\n" + "10,20,30\n" * 50)
    assert read(path, monkeypatch).frame.height == 50
    path.write_text("user,item,note\n" + "10,20,30\n" * 50 + "1,2,3,4\n5,6,7\n")
    assert "is ragged: line 52 has 4 fields" in message(path, monkeypatch)


def test_no_such_file_and_a_directory(tmp_path, monkeypatch):
    assert message(tmp_path / "no.csv", monkeypatch) == "there is no file 'no.csv'"
    (tmp_path / "dir.csv").mkdir()
    assert message(tmp_path / "dir.csv", monkeypatch) == "'dir.csv' is a directory; give a file"


def test_a_path_with_a_null_byte(tmp_path, monkeypatch):
    assert "'a\\x00.csv'" in message(tmp_path / "a\0.csv", monkeypatch)


def test_a_path_that_is_too_long(tmp_path, monkeypatch):
    assert "could not be opened: File name too long" in message(
        tmp_path / ("x" * 5000 + ".csv"), monkeypatch
    )


def test_a_mapped_column_that_is_not_there_is_named_with_those_found(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("customer,sku\n1,2\n")
    expected = "'x.csv' has no column 'client' (mapped to user); it has 'customer', 'sku'"
    assert message(path, monkeypatch, user="client") == expected


def test_user_and_item_must_differ(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("customer,sku\n1,2\n")
    expected = "user and item are both mapped to the column 'sku'; they must differ"
    assert message(path, monkeypatch, user="sku", item="sku") == expected


def test_an_unknown_split_word_is_named_with_those_allowed(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("user,item,part\n1,2,train\n1,3,dev\n")
    text = message(path, monkeypatch, split="part")
    assert "column 'part' of 'x.csv' says 'dev' for the split; allowed are 0, train, 1" in text


def test_ids_that_are_lists_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"user": [1], "item": [[1, 2]]}).write_parquet(path)
    assert "column 'item' of 'x.parquet' holds List(Int64)" in message(path, monkeypatch)


def test_damaged_parquet_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    frame = pl.DataFrame({"user": list(range(5000)), "item": list(range(5000))})
    frame.write_parquet(path, compression="zstd")
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(b"PAR1" + b"\xff" * (footer - 4) + content[footer:])
    assert "could not be read as parquet" in message(path, monkeypatch)
