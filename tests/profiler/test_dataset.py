"""The dataset: numbering, split, cache and the subset that is evaluated."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import DataInvalidError
from advisor.task import Columns, DataSource
from profiler.dataset import open_dataset, prepare_dataset, resolve_inside
from profiler.kinds import interactions as module


def written(tmp_path, rows, header="user,item", name="x.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def prepared(tmp_path, rows, header="user,item", **columns):
    source = DataSource(path=str(written(tmp_path, rows, header)), columns=Columns(**columns))
    data = prepare_dataset(source, str(tmp_path / "cache"))
    return data, open_dataset(data.dataset_dir)


def many_rows(n_users=60, n_items=50, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 41, n_users)
    rows = [(f"u{u}", int(i)) for u, n in enumerate(sizes) for i in rng.permutation(n_items)[:n]]
    return [rows[place] for place in rng.permutation(len(rows))]


def pairs_of(csr):
    rows = np.repeat(np.arange(len(csr.indptr) - 1), np.diff(csr.indptr))
    return set(zip(rows.tolist(), csr.indices.tolist(), strict=True))


def test_the_parts_hold_every_pair_once(tmp_path):
    rows = many_rows()
    _, data = prepared(tmp_path, rows)
    users = list(dict.fromkeys(user for user, _ in rows))
    items = list(dict.fromkeys(item for _, item in rows))
    expected = {(users.index(user), items.index(item)) for user, item in rows}
    parts = [pairs_of(part) for part in (data.train, data.validation, data.test)]
    assert set.union(*parts) == expected
    assert sum(map(len, parts)) == len(expected)
    assert (data.n_rows, data.n_classes) == (len(users), len(items))


def test_the_arrays_have_the_types_and_order_that_are_promised(tmp_path):
    rows = many_rows()
    _, data = prepared(tmp_path, rows)
    types = {name: str(getattr(data, name).dtype) for name in vars(data)}
    wide = {name for name in types if name.endswith("indptr")} | {"class_counts"}
    assert types == {name: "int64" if name in wide else "int32" for name in types}
    users = list(dict.fromkeys(user for user, _ in rows))
    items = list(dict.fromkeys(item for _, item in rows))
    train = set(zip(data.train_rows.tolist(), data.train_classes.tolist(), strict=True))
    in_file_order = [(users.index(u), items.index(i)) for u, i in rows]
    in_file_order = [pair for pair in in_file_order if pair in train]
    assert list(zip(data.train_rows, data.train_classes, strict=True)) == in_file_order
    assert train == pairs_of(data.train)
    assert np.array_equal(data.class_counts, np.bincount(data.train_classes, minlength=50))


def test_a_tenth_of_each_row_is_held_out_and_small_rows_stay_in_training(tmp_path):
    data, opened = prepared(tmp_path, many_rows())
    held, tested = (np.diff(part.indptr) for part in (opened.validation, opened.test))
    sizes = np.diff(opened.train.indptr) + held + tested
    expected = np.where(sizes < 3, 0, np.maximum(1, (sizes + 5) // 10))
    assert np.array_equal(held, expected)
    assert np.array_equal(tested, expected)
    few = int((sizes < 3).sum())
    assert few > 0
    assert f"users with fewer than 3 items, who only train: {few}" in data.notes[-1]


def test_the_split_is_the_same_each_time_and_favours_no_place_in_the_file(tmp_path):
    rows = [(u, i) for u in range(2000) for i in range(20)]
    one = prepared(tmp_path, rows)[1]
    other = prepare_dataset(DataSource(path=str(tmp_path / "x.csv")), str(tmp_path / "other"))
    again = open_dataset(other.dataset_dir)
    assert all(np.array_equal(getattr(one, name), getattr(again, name)) for name in vars(one))
    held = np.bincount(one.validation_indices, minlength=20)  # 200 each, if drawn evenly
    assert held.sum() == 4000
    assert np.abs(held - 200).max() < 5 * np.sqrt(200 * 0.9)


def test_statistics_describe_the_training_part(tmp_path):
    data, opened = prepared(tmp_path, many_rows())
    assert data.statistics.n_examples == len(opened.train_rows)
    assert (data.statistics.n_rows, data.statistics.n_classes) == (60, 50)
    counts = opened.class_counts
    pairwise = np.abs(counts[:, None] - counts[None, :]).sum() / (2 * len(counts) * counts.sum())
    assert data.statistics.class_gini == pytest.approx(pairwise)


def test_repeated_pairs_are_kept_once_and_counted(tmp_path):
    rows = [(u, i) for u in "abc" for i in range(5)]
    data, opened = prepared(tmp_path, rows + rows[:4])
    assert "4 repeated (user, item) rows were left out" in data.notes
    assert len(opened.train_rows) + len(opened.validation_indices) + 3 == 15


def test_a_given_split_is_kept_and_a_repeated_pair_stays_in_its_earliest_part(tmp_path):
    rows = [(1, 1, 0), (1, 2, 1), (1, 3, 2), (2, 2, "test"), (2, 2, "train"), (2, 4, "valid")]
    data, opened = prepared(tmp_path, rows, "user,item,part", split="part")
    assert data.notes[-1] == "split as the file says"
    assert pairs_of(opened.train) == {(0, 0), (1, 1)}
    assert pairs_of(opened.validation) == {(0, 1), (1, 3)}
    assert pairs_of(opened.test) == {(0, 2)}
    assert opened.class_counts.tolist() == [1, 1, 0, 0]


def test_without_a_validation_part_a_tenth_of_training_becomes_it(tmp_path):
    rows = [(u, i, "test" if i < 3 else "train") for u in range(4) for i in range(13)]
    data, opened = prepared(tmp_path, rows, "user,item,part", split="part")
    assert "a tenth of its training part for validation" in data.notes[-1]
    assert np.diff(opened.train.indptr).tolist() == [9] * 4
    assert np.diff(opened.validation.indptr).tolist() == [1] * 4
    assert set(opened.test.indices.tolist()) == {0, 1, 2}


def test_a_split_without_test_part_opens_with_an_empty_one(tmp_path):
    rows = [(1, 1, 0), (1, 2, 1), (2, 1, 0)]
    _, opened = prepared(tmp_path, rows, "user,item,part", split="part")
    assert len(opened.test_indices) == 0
    assert opened.test_indptr.tolist() == [0, 0, 0]


def test_the_evaluation_rows_are_a_fixed_nested_part(tmp_path):
    _, opened = prepared(tmp_path, many_rows())
    everything = opened.evaluation("validation").units
    assert everything.tolist() == np.flatnonzero(np.diff(opened.validation_indptr)).tolist()
    small, large = (opened.evaluation("validation", n).units for n in (5, 20))
    assert len(small) == 5
    assert set(small) < set(large) < set(everything)
    assert small.tolist() == sorted(opened.evaluation("validation", 5).units)


def test_what_is_ranked_are_the_held_out_classes_and_not_those_of_training(tmp_path):
    _, opened = prepared(tmp_path, many_rows())
    for part in ("validation", "test"):
        found = opened.evaluation(part, 20)
        (inputs,) = found.inputs(found.units)
        for place, row in enumerate(inputs):
            for csr, of in ((found.positives, getattr(opened, part)), (found.seen, opened.train)):
                expected = of.indices[of.indptr[row] : of.indptr[row + 1]]
                assert csr.indices[csr.indptr[place] : csr.indptr[place + 1]].tolist() == (
                    expected.tolist()
                )
    few = found.first(3)
    assert few.units.tolist() == found.units[:3].tolist()
    assert len(few.positives.indptr) == len(few.seen.indptr) == 4


@pytest.mark.parametrize(
    ("rows", "split", "expected"),
    [
        ([(1, 5, 0), (2, 5, 0)], None, "has one class only: the item is 5 in every row"),
        ([(1, 5, 0), (1, 6, 0), (2, 5, 0)], None, "leaves no validation rows: no user has 3 or"),
        ([(1, 1, 0), (1, 2, 2), (2, 2, 0)], "part", "leaves no validation rows: no user has 3 or"),
        ([(1, 1, 1), (2, 2, 2)], "part", "leaves no row to train on"),
    ],
)
def test_data_that_cannot_be_used_is_refused(tmp_path, rows, split, expected):
    with pytest.raises(DataInvalidError, match=expected):
        prepared(tmp_path, rows, "user,item,part", split=split)
    assert not (tmp_path / "cache").exists()


def test_a_second_call_reads_the_summary_only(tmp_path, monkeypatch):
    first, _ = prepared(tmp_path, many_rows())
    monkeypatch.setattr(module, "read", None)
    assert prepare_dataset(DataSource(path=str(tmp_path / "x.csv")), str(tmp_path / "cache")) == (
        first
    )


def test_a_second_call_of_a_5_mb_file_takes_under_a_tenth_of_a_second(tmp_path):
    """Of CPU: whatever else the machine does."""
    rows = [(u, i) for u in range(5000) for i in range(1000, 1110)]
    source = DataSource(path=str(written(tmp_path, rows)))
    assert Path(source.path).stat().st_size > 5e6
    prepare_dataset(source, str(tmp_path / "cache"))
    seconds = []
    for _ in range(5):
        started = time.process_time()
        prepare_dataset(source, str(tmp_path / "cache"))
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.1


def test_other_bytes_columns_or_format_are_another_dataset(tmp_path):
    rows = many_rows()
    path = written(tmp_path, [(*row, row[1] % 7) for row in rows], "user,item,product")
    cache = str(tmp_path / "cache")
    first = prepare_dataset(DataSource(path=str(path)), cache)
    mapped = DataSource(path=str(path), columns=Columns(item="product"))
    assert prepare_dataset(mapped, cache).fingerprint != first.fingerprint
    elsewhere = tmp_path / "y.csv"
    elsewhere.write_bytes(path.read_bytes())
    assert prepare_dataset(DataSource(path=str(elsewhere)), cache) == first
    elsewhere.write_bytes(path.read_bytes() + b"u1,999,3\n")
    assert prepare_dataset(DataSource(path=str(elsewhere)), cache).fingerprint != first.fingerprint


def test_preparers_at_the_same_time_are_harmless(tmp_path):
    source = DataSource(path=str(written(tmp_path, many_rows())))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(prepare_dataset, source, str(tmp_path / "cache")) for _ in range(8)]
        answers = {job.result().model_dump_json() for job in jobs}
    assert len(answers) == 1
    (folder,) = (tmp_path / "cache").iterdir()
    assert json.loads((folder / "summary.json").read_text())["statistics"]["n_classes"] == 50


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        prepared(tmp_path, many_rows())
    assert not list((tmp_path / "cache").iterdir())


def test_opened_arrays_may_be_written_without_touching_the_file(tmp_path):
    data, opened = prepared(tmp_path, many_rows())
    before = opened.train_classes[0]
    opened.train_classes[0] = 49 - before
    assert open_dataset(data.dataset_dir).train_classes[0] == before


def test_a_path_inside_the_data_folder_is_resolved(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    assert resolve_inside("a/b.csv", root) == root / "a" / "b.csv"
    assert resolve_inside(str(root / "c.csv"), root) == root / "c.csv"
    assert resolve_inside("a/../d.csv", root) == root / "d.csv"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link/x", "loop", "a\0b"])
def test_a_path_outside_the_data_folder_is_refused_with_the_same_words(tmp_path, path):
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    os.symlink(tmp_path, root / "link")
    os.symlink(root / "loop", root / "loop")
    with pytest.raises(DataInvalidError) as caught:
        resolve_inside(path, root)
    assert str(caught.value) == f"path {path!r} is outside the data folder"
