"""Features, multilabel and embeddings: every format gives the same rows, classes and parts."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from profiler import splits
from tests.profiler.labelled_files import classes, clusters, dense, opened, prepared

X = np.array([[1.0, 0, 0.5], [0, 2, 0], [3, 0, 0], [0, 0, 4], [5, 0, 1], [0, 6, 2]], np.float32)
Y = [[0, 1], [2], [0], [1], [0, 1, 2], [2]]
PARTS = [0, 0, 0, 0, 1, 2]
X_SIZE = np.sqrt((1 + 0.25 + 4 + 9 + 16) / 5)  # of the numbers that the training rows hold


def indptr(rows: list[list[int]]) -> np.ndarray:
    return np.concatenate(([0], np.cumsum([len(row) for row in rows])))


def csr_parts(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    x = csr_matrix(x)
    parts = {"indptr": x.indptr, "indices": x.indices, "data": x.data, "shape": x.shape}
    return {f"{name}_{part}": np.asarray(value) for part, value in parts.items()}


def one_hot(rows: list[list[int]]) -> np.ndarray:
    return np.array([[float(c in row) for c in range(3)] for row in rows])


def lines(header: bool, first: int = 0) -> str:
    text = "6 3 3\n" if header else ""
    for row, labels in zip(X, Y, strict=True):
        entries = " ".join(f"{i + first}:{v:g}" for i, v in enumerate(row) if v)
        text += ",".join(map(str, labels)) + f" {entries}\n"
    return text


def multilabel_files(folder: Path) -> dict[str, Path]:
    paths = {
        name: folder / name
        for name in ("csr.npz", "dense.npz", "xc.txt", "a.svm", "b.svm.gz", "l.parquet", "t.csv")
    }
    both = {**csr_parts("X", X), **csr_parts("Y", one_hot(Y))}
    np.savez(paths["csr.npz"], **both, split=PARTS)
    np.savez_compressed(paths["dense.npz"], X=X, y=one_hot(Y).astype(bool), split=PARTS)
    paths["xc.txt"].write_text(lines(header=True))
    paths["a.svm"].write_text("# a comment\n" + lines(header=False))
    paths["b.svm.gz"].write_bytes(gzip.compress(lines(header=False, first=1).encode()))
    columns = {f"f{i}": X[:, i] for i in range(3)}
    pl.DataFrame({"labels": Y, **columns}).write_parquet(paths["l.parquet"])
    texts = ["|".join(map(str, row)) for row in Y]
    pl.DataFrame({"labels": texts, **columns}).write_csv(paths["t.csv"])
    return paths


@pytest.mark.parametrize("name", ["csr.npz", "xc.txt", "a.svm", "b.svm.gz"])
def test_sparse_rows_come_as_they_are_from_every_format(tmp_path: Path, name: str) -> None:
    data, _ = opened(multilabel_files(tmp_path)[name], "multilabel")
    assert data.is_sparse
    assert classes(data) == Y
    if name == "csr.npz":
        assert [p.tolist() for p in data.parts.values()] == [[0, 1, 2, 3], [4], [5]]
        np.testing.assert_allclose(dense(data), X / X_SIZE, rtol=1e-6)


@pytest.mark.parametrize("name", ["dense.npz", "l.parquet", "t.csv"])
def test_dense_rows_are_scaled_by_those_of_training(tmp_path: Path, name: str) -> None:
    data, notes = opened(multilabel_files(tmp_path)[name], "multilabel")
    assert classes(data) == Y  # 0, 1, 2 by first appearance too
    train = X[np.asarray(data.parts["train"])]
    expected = (X - train.mean(0)) / np.where(train.std(0) > 0, train.std(0), 1)
    np.testing.assert_allclose(dense(data), expected, rtol=1e-5, atol=1e-6)
    assert "scaled to mean 0 and deviation 1" in notes


def test_a_batch_has_the_rows_asked_for_and_several_classes_as_csr(tmp_path: Path) -> None:
    data, _ = opened(multilabel_files(tmp_path)["csr.npz"], "multilabel")
    (indices, offsets, values), target = data.training(np.array([2, 0]))
    assert (indices.tolist(), offsets.tolist()) == ([0, 0, 2], [0, 1])
    np.testing.assert_allclose(values, np.array([3, 1, 0.5]) / X_SIZE, rtol=1e-6)
    assert isinstance(target, tuple)
    assert [t.tolist() for t in target] == [[0, 0, 1], [0, 1, 3]]
    assert data.targets_per_example == 5 / 4
    assert data.class_counts.tolist() == [2, 2, 1]
    found = data.evaluation("validation")
    assert (found.units.tolist(), found.positives.indices.tolist()) == ([4], [0, 1, 2])
    assert found.seen is None


def test_one_class_a_row_is_a_plain_target(tmp_path: Path) -> None:
    x, y = clusters()
    np.savez(tmp_path / "x.npz", X=x, y=y)
    data, notes = opened(tmp_path / "x.npz")
    (batch,), target = data.training(np.array([5, 1]))
    rows = np.asarray(data.parts["train"])[[5, 1]]
    np.testing.assert_array_equal(batch, dense(data)[rows])
    assert target.tolist() == y[rows].tolist()
    assert "split at random, each class in training: 480 train, 60 validation, 60 test" in notes


def test_features_that_training_never_has_are_left_out(tmp_path: Path) -> None:
    x = np.array([[1, 0, 0, 2], [0, 0, 3, 0], [0, 4, 0, 5]])
    np.savez(tmp_path / "x.npz", **csr_parts("X", x), y=[0, 1, 0], split=[0, 0, 1])
    data, notes = opened(tmp_path / "x.npz")
    size = np.sqrt((1 + 4 + 9) / 3)
    expected = np.array([[1, 0, 2], [0, 3, 0], [0, 0, 5]]) / size
    np.testing.assert_allclose(dense(data), expected, rtol=1e-6)
    assert "features that no training row has, left out: 1" in notes


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "parquet"])
def test_a_text_column_becomes_hashed_ngrams(tmp_path: Path, ending: str) -> None:
    texts = ["red apple", "green pear", "red cherry", None, "green apple", "a blue plum", "—"]
    frame = pl.DataFrame({"text": texts, "label": list("abacbca")})
    path = tmp_path / f"x.{ending}"
    if ending == "parquet":
        frame.write_parquet(path)
    else:
        text = frame.write_csv(separator="," if ending == "csv" else "\t")
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    data, notes = opened(path)
    assert data.is_sparse
    assert data.n_classes == 3
    x = dense(data)
    kept = np.setdiff1d(np.asarray(data.parts["train"]), [3, 6])
    np.testing.assert_allclose(np.linalg.norm(x[kept], axis=1).std(), 0, atol=1e-5)
    np.testing.assert_allclose(np.square(x[kept][x[kept] != 0]).mean(), 1, rtol=1e-5)
    assert "features are words, hashed into 65,536 columns; texts without any: 2" in notes
    letters, said = opened(path, ngrams="characters")
    assert "features are 1 to 4 characters of a word, hashed" in said
    assert letters.n_features > data.n_features


def test_columns_of_numbers_are_features_and_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("width,colour,kind,height\n" + "1,red,a,0.5\n2,blue,b,-1e-2\n3,red,a,7\n" * 9)
    data, notes = opened(path, columns={"label": "kind"})
    assert data.n_features == 2
    assert "features are the 2 columns of numbers: 'width', 'height'; not used: 'colour'" in notes


@pytest.mark.parametrize("dtype", [pl.List(pl.Float64), pl.Array(pl.Float32, 8)])
def test_a_column_of_vectors_is_taken_as_it_is(tmp_path: Path, dtype: pl.DataType) -> None:
    x, y = clusters()
    frame = pl.DataFrame({"embedding": pl.Series(x.tolist(), dtype=dtype), "label": y})
    frame.write_parquet(tmp_path / "x.parquet")
    data, notes = opened(tmp_path / "x.parquet", "embeddings")
    np.testing.assert_array_equal(dense(data), x)
    assert "column 'embedding' was taken for the hidden, by its name" in notes
    assert prepared(tmp_path / "x.parquet", "embeddings").embedding_dim == 8


def test_vectors_and_labels_may_be_two_npy_files(tmp_path: Path) -> None:
    x, y = clusters()
    np.save(tmp_path / "h.npy", x.astype(np.float16))
    np.save(tmp_path / "y.npy", y)
    first = prepared(tmp_path / "h.npy", "embeddings", labels=str(tmp_path / "y.npy"))
    data, _ = opened(tmp_path / "h.npy", "embeddings", labels=str(tmp_path / "y.npy"))
    np.testing.assert_array_equal(dense(data), x.astype(np.float16))
    assert classes(data) == y[:, None].tolist()
    np.save(tmp_path / "y.npy", (y + 1) % 6)
    second = prepared(tmp_path / "h.npy", "embeddings", labels=str(tmp_path / "y.npy"))
    assert first.fingerprint != second.fingerprint  # other labels are another task


def test_arrays_of_an_npz_may_have_other_names(tmp_path: Path) -> None:
    x, y = clusters(30)
    np.savez(tmp_path / "x.npz", H=x, labels=y.astype(str), part=["train"] * 20 + ["valid"] * 10)
    names = {"hidden": "H", "label": "labels", "split": "part"}
    data, notes = opened(tmp_path / "x.npz", "embeddings", columns=names)
    assert classes(data) == y[:, None].tolist()
    assert "split as the file says: 20 train, 10 validation, 0 test rows" in notes


def test_rows_without_a_class_are_left_out_and_counted(tmp_path: Path) -> None:
    x, y = clusters(100)
    given = y.astype(float)
    given[[3, 50]] = np.nan
    np.savez(tmp_path / "x.npz", X=x, y=given)
    data, notes = opened(tmp_path / "x.npz")
    assert classes(data) == np.delete(y, [3, 50])[:, None].tolist()
    assert "2 of 100 rows dropped: no label" in notes
    (tmp_path / "x.txt").write_text("5 3 2\n0 0:1\n 1:1\n1 2:1\n1,0 0:3\n0 1:1\n")
    data, notes = opened(tmp_path / "x.txt", "multilabel")
    assert classes(data) == [[0], [1], [0, 1], [0]]
    assert "1 of 5 rows dropped: no label" in notes
    (tmp_path / "x.csv").write_text("a,label\n" + "1,x\n2,\n3,y\n" * 9)
    assert "9 of 27 rows dropped: no label" in opened(tmp_path / "x.csv")[1]


def test_a_class_seen_once_is_seen_in_training_and_counted(tmp_path: Path) -> None:
    n = 400
    x, _ = clusters(n)
    y = np.concatenate((np.zeros(n // 2, int), np.arange(1, n // 2 + 1)))
    np.savez(tmp_path / "x.npz", X=x, y=y)
    data, notes = opened(tmp_path / "x.npz")
    assert (data.class_counts >= 1).all()
    assert "200 of 201 classes have one row in training" in notes
    assert data.evaluation("validation").positives.indices.tolist() == [0] * len(
        data.parts["validation"]
    )


def test_a_class_that_only_later_parts_have_stays_a_class(tmp_path: Path) -> None:
    x, y = clusters(60)
    split = np.where(np.arange(60) < 40, splits.TRAIN, splits.VALIDATION)
    y[y == 5] = 0
    y[50] = 7
    np.savez(tmp_path / "x.npz", X=x, y=y, split=split)
    data, notes = opened(tmp_path / "x.npz")
    assert data.n_classes == 8
    assert "3 of 8 classes have no row in training" in notes


def test_a_file_without_validation_gives_a_tenth_of_its_training(tmp_path: Path) -> None:
    x, y = clusters(100)
    np.savez(tmp_path / "x.npz", X=x, y=y, split=np.repeat([0, 2], [80, 20]))
    data, notes = opened(tmp_path / "x.npz")
    assert [len(part) for part in data.parts.values()] == [72, 8, 20]
    assert "with a tenth of its training part for validation" in notes


def test_a_feature_of_any_number_takes_no_more_room(tmp_path: Path) -> None:
    (tmp_path / "x.svm").write_text("0 5:1 2000000000:2\n1 7:1\n" * 20)
    data, _ = opened(tmp_path / "x.svm")
    x = dense(data)
    np.testing.assert_allclose(x / x.max(), [[0.5, 0, 1], [0, 0.5, 0]] * 20)
