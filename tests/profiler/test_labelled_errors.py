"""Files of labelled rows that cannot be used, each with one clear sentence."""

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from advisor.errors import DataInvalidError
from tests.profiler.labelled_files import clusters, prepared

X, Y = clusters(60)


def message(path: Path, kind: str = "features", **source: Any) -> str:
    with pytest.raises(DataInvalidError) as caught:
        prepared(path, kind, **source)
    text = str(caught.value)
    assert "\n" not in text
    return text


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[17, 3] = value
    return x


def replaced(row: int, label: float) -> np.ndarray:
    y = Y.astype(float)
    y[row] = label
    return y


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "nan": (
        {"X": with_value(np.nan), "y": Y},
        "feature 3 of .* is missing or nan in row 17 .counted from 0.;",
    ),
    "infinity": (
        {"X": with_value(np.inf), "y": Y},
        "feature 3 of .* is infinite in row 17 .counted from 0.;",
    ),
    "negative label": ({"X": X, "y": replaced(5, -1)}, "row 5 of .* has the label -1; number the"),
    "fraction": ({"X": X, "y": replaced(9, 0.5)}, "row 9 of .* has the label 0.5; number the cl"),
    "infinite label": ({"X": X, "y": replaced(9, np.inf)}, "row 9 of .* has the label inf;"),
    "huge label": (
        {"X": X, "y": replaced(8, 10**9)},
        "has 60 labels of classes up to 1000000000; number the classes from 0 without gaps",
    ),
    "one class": ({"X": X, "y": np.zeros(60, int)}, "has one class only; there must be two"),
    "no label": ({"X": X, "y": np.full(60, np.nan)}, "no row of .* has a label"),
    "several labels": (
        {"X": X, "y": np.ones((60, 3))},
        "row 0 of .* has 3 labels, one is allowed; with several labels a row say kind: multilabel",
    ),
    "fewer labels": ({"X": X, "y": Y[:50]}, "has 60 rows of features but 50 of labels"),
    "fewer parts": ({"X": X, "y": Y, "split": [0] * 7}, "has 60 rows but a split of 7"),
    "unknown part": (
        {"X": X, "y": Y, "split": ["dev"] * 60},
        "the array 'split' of .* says 'dev' for the split; allowed are 0, train",
    ),
    "no training": ({"X": X, "y": Y, "split": [1] * 60}, "split of .* leaves no row to train on"),
    "no validation": (
        {"X": X[:5], "y": Y[:5], "split": [0] * 3 + [2] * 2},
        "the split of .* leaves no row to validate on",
    ),
    "classes once": (
        {"X": X, "y": np.arange(60)},
        "leaves no row to validate on",
    ),
    "images": ({"X": X.reshape(60, 2, 4), "y": Y}, r"are float32\[60, 2, 4\]; give numbers, rows"),
    "texts": ({"X": X.astype(str), "y": Y}, "give numbers, rows by features"),
    "one number": ({"X": X, "y": 3}, r"the labels of .* have the shape \[\]"),
    "dates": ({"X": X, "y": Y.astype("datetime64[D]")}, "labels of .* give numbers or texts"),
    "no columns": ({"X": X[:, :0], "y": Y}, "has no features"),
    "other names": ({"data": X, "y": Y}, "has no array 'X'; it has 'data', 'y'"),
    "no labels": ({"X": X}, "has no array 'y'; it has 'X'"),
    "broken csr": (
        {"X_indptr": [0, 5], "X_indices": [0, 9], "X_shape": [1, 3], "y": [0]},
        "X_indptr, X_indices and X_shape of .* are no CSR matrix: ",
    ),
}


@pytest.mark.parametrize(("arrays", "says"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_cannot_be_used_are_refused(
    tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataInvalidError, match=says):
        prepared(tmp_path / "x.npz")


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_pickled_objects_are_never_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    objects = np.array([{"a": 1}, None], dtype=object)
    if ending == "npz":
        np.savez(path, X=objects, y=Y)
    else:
        np.save(path, objects, allow_pickle=True)
    assert "it holds pickled objects, which are never read; save plain" in message(path)
    path.write_bytes(pickle.dumps({"X": X}))
    assert f"is no {ending} of numbers or texts: it holds pickled" in message(path)


def test_damaged_and_mistaken_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X, y=Y)
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content[:500])
    assert "could not be read as npz: it is damaged" in message(tmp_path / "x.npz")
    (tmp_path / "x.npy").write_bytes(content)
    assert "x.npy' is no npy file but npz" in message(tmp_path / "x.npy")


def test_an_npy_needs_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    assert "name the npy file of them: data.labels" in message(path, "embeddings")
    missing = str(tmp_path / "y.npy")
    assert "there is no file" in message(path, "embeddings", labels=missing)
    np.save(missing, Y[:, None, None].repeat(2, 1))
    assert "have the shape [60, 2, 1]" in message(path, "embeddings", labels=missing)


LINES: dict[str, tuple[bytes, str]] = {
    "no pair": (b"1 0:1\n0 a:2\n", "line 2 of .* is no 'label feature:value ...', but '0 a:2'"),
    "encoding": (b"1 0:1\n0 \xe9:2\n", "not UTF-8 text"),
    "text": (b"to be or not\n", "line 1 of .* but 'to be or not'"),
    "unsorted": (b"1 2:1 1:1\n0 1:1\n", "could not be read as svmlight text: Feature indices"),
    "endless number": (b"1 99999999999999999999999:1\n0 1:1\n", "could not be read as svmlight"),
    "negative": (b"+1 0:1\n-1 0:1\n", "row 1 of .* has the label -1; number the classes from 0"),
    "huge": (b"1 0:1\n99 0:1\n", "has 2 labels of classes up to 99; number the classes"),
    "nan": (b"1 0:1\n0 0:1 1:nan\n", "feature 1 of .* is missing or nan in row 1"),
    "fewer rows": (b"3 2 2\n1 0:1\n0 0:1\n", "first line of .* says 3 rows, but there are 2"),
    "more features": (b"2 2 2\n1 0:1\n0 2:1\n", "says 2 features, but there are 3"),
    "more labels": (b"2 2 2\n1 0:1\n2 0:1\n", "says 2 labels, but there are 3"),
    "empty": (b" \n", "is empty"),
    "binary": (b"1 0:1\n\0\0", "is not text but binary"),
    "cut gzip": (gzip.compress(b"1 0:1\n" * 99)[:-12], "could not be read"),
}


@pytest.mark.parametrize(("content", "says"), LINES.values(), ids=LINES)
def test_svmlight_text_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "x.svm").write_bytes(content)
    with pytest.raises(DataInvalidError, match=says):
        prepared(tmp_path / "x.svm")


TABLES: dict[str, tuple[str, str]] = {
    "word": (
        "a,label\n" + "1,x\n" * 2000 + "one,y\n",
        "column 'a' .* holds 'one' in row 2000 .counted from 0., wh",
    ),
    "hole": (
        "a,b,label\n1,2,x\n3,,y\n",
        "column 'b' of .* is missing or nan in row 1 .counted from 0.; fill",
    ),
    "hole after a drop": (
        "a,label\n1,\n,x\n2,y\n",
        "column 'a' of .* missing or nan in row 1 .counted from 0.;",
    ),
    "infinite": (
        "a,label\n1,x\ninf,y\n",
        "column 'a' of .* is infinite in row 1 .counted from 0.; fill it in",
    ),
    "no features": ("name,label\nx,1\ny,2\n", "has no column of numbers beside the label, no text"),
    "no label": (
        "a,b\n1,2\n",
        "no column of .* is known by its name as the label; it has 'a', 'b'",
    ),
    "one class": ("a,label\n1,x\n2,x\n", "has one class only"),
    "no words": ("text,label\n" + "!,x\n?,y\n" * 30, "no row of .* to train on has any feature"),
    "separator": ("a;label\n1;x\n", "if it is separated by semicolons, save it with commas"),
    "ragged": ("a,label\n1,x\n1,2,3\n", "is ragged: line 3 has 3 fields, the header 2"),
    "header": ("1.5,2\n2.5,3\n", "the first line of .* must name its columns"),
}


@pytest.mark.parametrize(("content", "says"), TABLES.values(), ids=TABLES)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataInvalidError, match=says):
        prepared(tmp_path / "x.csv")


def test_a_text_column_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("text,label\ncafé,1\nthé,2\n".encode("latin-1"))
    assert "is not UTF-8 text; save it as UTF-8" in message(tmp_path / "x.csv")


VECTORS: dict[str, tuple[dict[str, Any], str]] = {
    "ragged": ({"vector": [[1.0, 2], [3.0]]}, "is ragged: row 1 has a vector of 1 numbers, row 0"),
    "missing": ({"vector": [[1.0, 2], None]}, "is ragged: row 1 has a vector of 0 numbers"),
    "nan": ({"vector": [[1.0, 2], [3, np.nan]]}, "feature 1 of .* is missing or nan in row 1"),
    "texts": ({"vector": [["a"], ["b"]]}, r"the vectors of .* hold List\(String\); give lists of"),
    "text": ({"text": [["a"], ["b"]]}, r"column 'text' of .* holds List\(String\); a text is no"),
}


@pytest.mark.parametrize(("columns", "says"), VECTORS.values(), ids=VECTORS)
def test_vectors_that_cannot_be_used_are_refused(
    tmp_path: Path, columns: dict[str, Any], says: str
) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({**columns, "label": ["a", "b"]}, strict=False).write_parquet(path)
    with pytest.raises(DataInvalidError, match=says):
        prepared(path, "embeddings")


def test_hidden_vectors_are_no_text_and_not_sparse(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,label\na b,x\nc d,y\n")
    says = "are sparse, hidden vectors are dense; for sparse features or text say kind: features"
    assert says in message(tmp_path / "x.csv", "embeddings")


def test_a_list_is_a_label_of_multilabel_only(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1.0, 2], "label": [[1], [2, 3]]}).write_parquet(path)
    assert "column 'label' of" in message(path)
    assert "an id is a number or a text" in message(path)


def test_one_column_is_not_two_things(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    says = "label and text are both mapped to the column 'a'; they must differ"
    assert says in message(tmp_path / "x.csv", columns={"label": "a", "text": "a"})


def test_a_table_format_has_no_labelled_rows_for_interactions(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X, y=Y)
    assert "is read as npz, which has no columns" in message(tmp_path / "x.npz", "interactions")
