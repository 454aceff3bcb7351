"""Files as people have them: what is read, what is guessed, dropped and said."""

import gzip

import polars as pl
import pytest

from advisor.task import Columns, DataSource
from profiler.readers import read_table

PAIRS = {"user": [7, 7, 9], "item": ["a", "b", "a"]}


def read(path, file_format=None, fields=("user", "item", "split"), **columns):
    source = DataSource(path=str(path), format=file_format, columns=Columns(**columns))
    return read_table(source, path, fields, ("user", "item"))


def written(tmp_path, content, name="orders.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "user,item\n7,a\n7,b\n9,a\n"),
        ("x.CSV", "user,item\r\n7,a\r\n7,b\r\n9,a"),
        ("bom.csv", "\ufeffuser,item\n7,a\n7,b\n9,a\n"),
        ("quoted.csv", '"user","item"\n"7","a"\n"7","b"\n"9","a"\n'),
        ("x.csv.gz", gzip.compress(b"user,item\n7,a\n7,b\n9,a\n", mtime=0)),
        ("x.tsv", "user\titem\textra\n7\ta\t,\n7\tb\t\n9\ta\t0\n"),
        ("x.inter", 'user:token\tr:float\titem:token\n7\t1\ta\n7\t"\tb\n9\t1\ta\n'),
    ],
)
def test_every_text_format_gives_the_same_frame(tmp_path, name, content):
    frame, notes = read(written(tmp_path, content, name))
    assert frame.to_dict(as_series=False) == PAIRS
    assert notes == (
        "column 'user' was taken for the user, by its name",
        "column 'item' was taken for the item, by its name",
    )


def test_parquet_gives_the_same_frame(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({**PAIRS, "unused": [[1], [2], [3]]}).write_parquet(path)
    assert read(path).frame.to_dict(as_series=False) == PAIRS


def test_the_format_may_be_said_when_the_ending_says_nothing(tmp_path):
    path = written(tmp_path, "user\titem\n7\ta\n", "log.txt")
    assert read(path, "tsv").frame.rows() == [(7, "a")]


def test_mapped_columns_are_read_without_a_note(tmp_path):
    path = written(tmp_path, "sku,customer,user\n1,2,3\n")
    frame, notes = read(path, user="customer", item="sku")
    assert frame.rows() == [(2, 1)]
    assert notes == ()


def test_a_guess_leaves_mapped_columns_alone(tmp_path):
    path = written(tmp_path, "user_id,item,Product ID\n1,2,3\n")
    frame, notes = read(path, user="item")
    assert frame.rows() == [(2, 3)]
    assert notes == ("column 'Product ID' was taken for the item, by its name",)


@pytest.mark.parametrize("name", ["user_id", "user_id:token"])
def test_an_inter_column_is_known_with_or_without_its_type(tmp_path, name):
    path = written(tmp_path, "item_id:token\tuser_id:token\n1\t2\n", "x.inter")
    assert read(path, user=name, item="item_id").frame.rows() == [(2, 1)]


def test_time_is_read_only_where_asked_for(tmp_path):
    path = written(tmp_path, "user,item,ts\n1,2,30\n")
    assert read(path).frame.columns == ["user", "item"]
    assert read(path, fields=("user", "item", "time")).frame.rows() == [(1, 2, 30)]


def test_ids_that_are_integers_only_at_first_are_text(tmp_path):
    lines = [f"{n},{n}" for n in range(3000)] + ["x1,7"]
    frame = read(written(tmp_path, "user,item\n" + "\n".join(lines))).frame
    assert frame["user"][0] == "0"
    assert frame["user"][-1] == "x1"


def test_rows_without_user_or_item_are_dropped_and_counted(tmp_path):
    path = written(tmp_path, "user,item\n1,2\n,3\n4,NaN\nnull,5\n6,\n7,8\n")
    frame, notes = read(path)
    assert frame.rows() == [(1, 2), (7, 8)]
    assert notes[-1] == "4 of 6 rows dropped: no user or no item"


def test_nan_and_empty_text_of_parquet_are_missing_too(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"user": [1.0, float("nan"), 3.0], "item": ["a", "b", ""]}).write_parquet(path)
    frame, notes = read(path)
    assert frame.rows() == [(1.0, "a")]
    assert notes[-1] == "2 of 3 rows dropped: no user or no item"


def test_split_words_become_parts_and_unsplit_rows_are_dropped(tmp_path):
    path = written(tmp_path, "user,item,fold\n1,1,train\n1,2,1\n1,3,Test\n1,4, validation\n1,5,\n")
    frame, notes = read(path, split="fold")
    assert frame["split"].to_list() == [0, 1, 2, 1]
    assert notes[-1] == "1 of 5 rows dropped: no user or no item or no split"


def test_a_split_that_is_not_mapped_is_not_used_and_this_is_said(tmp_path):
    frame, notes = read(written(tmp_path, "user,item,split\n1,1,0\n"))
    assert frame.columns == ["user", "item"]
    assert notes[-1] == "column 'split' is there but not used; to use it, map split: split"
