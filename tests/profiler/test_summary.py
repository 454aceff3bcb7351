"""What a task's data holds, counted by hand on small files, through the child that reads."""

from pathlib import Path

import numpy as np
import pytest

from advisor.errors import TaskInvalidError
from advisor.summary import DataSummary, PartSize, n_top_classes
from advisor.task import Task
from profiler.prepare import prepare, summarise
from profiler.workspace import Workspace


def _task(path: Path | None = None, **fields: object) -> Task:
    columns = fields.pop("columns", {})
    data = {} if path is None else {"data": {"path": str(path), "columns": columns}}
    return Task.model_validate({"name": "small", "horizon": {"epochs": 1}, **data, **fields})


def _csv(path: Path, header: str, rows: str) -> Path:
    path.write_text("\n".join([header, *rows.split()]) + "\n")
    return path


def _sizes(found: DataSummary) -> list[tuple[int, int]]:
    return [(p.n_rows, p.n_positives) for p in (found.train, found.validation, found.test)]


def test_interactions_are_pairs_of_users_and_items(tmp_path: Path, workspace: Workspace) -> None:
    rows = "1,a,train 1,b,train 1,c,test 2,a,train 2,b,valid 2,d,test 1,a,train 2,,train"
    path = _csv(tmp_path / "x.csv", "user,item,part", rows)
    columns = {"user": "user", "item": "item", "split": "part"}
    found = summarise(_task(path, metric="ndcg@10", columns=columns), workspace)
    assert (found.n_users, found.n_records, found.n_classes, found.n_examples) == (2, 6, 4, 3)
    assert (found.n_classes_unseen, found.n_classes_seen_once) == (2, 1)
    assert (found.top_classes_share, found.positives_per_row) == (2 / 3, 3 / 2)
    assert _sizes(found) == [(2, 3), (1, 1), (2, 2)]
    assert found.notes == (
        "1 of 8 rows dropped: no user or no item or no split",
        "1 repeated (user, item) rows were left out",
        "split as the file says",
    )


def test_sequences_are_places_in_histories(tmp_path: Path, workspace: Workspace) -> None:
    path = _csv(tmp_path / "x.csv", "user,item", "1,a 1,b 1,c 1,d 2,a 2,b 3,b 3,c 3,d")
    task = _task(path, kind="sequences", metric="ndcg@10")
    found = summarise(task, workspace)
    assert (found.n_users, found.n_records, found.n_classes, found.n_examples) == (3, 9, 4, 2)
    assert (found.n_classes_unseen, found.n_classes_seen_once) == (2, 0)
    assert _sizes(found) == [(2, 2), (2, 2), (2, 2)]
    assert found.notes == prepare(task, workspace).notes


def test_text_is_places_in_whole_blocks(tmp_path: Path, workspace: Workspace) -> None:
    parts = ["train"] * 9 + ["valid"] * 6
    tokens = [0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 1, 3, 0, 1]
    rows = " ".join(f"{t},{p}" for t, p in zip(tokens, parts, strict=True))
    path = _csv(tmp_path / "x.csv", "token,part", rows)
    columns = {"token": "token", "split": "part"}
    task = _task(path, kind="text", columns=columns, model={"sequence_length": 4})
    found = summarise(task, workspace)
    assert (found.n_users, found.n_records, found.n_classes, found.n_examples) == (None, 15, 4, 2)
    assert (found.n_classes_unseen, found.n_classes_seen_once) == (1, 1)
    assert _sizes(found) == [(8, 8), (4, 4), (0, 0)]


def test_several_labels_are_positives_of_a_row(tmp_path: Path, workspace: Workspace) -> None:
    y = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
    path = tmp_path / "x.npz"
    np.savez(path, X=np.eye(5, dtype=np.float32), Y=y, split=np.array([0, 0, 1, 0, 2]))
    found = summarise(_task(path, kind="multilabel"), workspace)
    assert (found.n_users, found.n_records, found.n_classes, found.n_examples) == (None, 5, 3, 3)
    assert (found.n_classes_unseen, found.positives_per_row) == (1, 4 / 3)
    assert _sizes(found) == [(3, 4), (1, 3), (1, 1)]


def test_given_vectors_say_their_length(tmp_path: Path, workspace: Workspace) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, X=np.eye(20, 7, dtype=np.float32), y=np.arange(20) % 4)
    found = summarise(_task(path, kind="embeddings"), workspace)
    assert found.train == PartSize(n_rows=16, n_positives=16)
    assert "embedding_dim is 7, the length of the vectors given" in found.notes


def test_a_description_is_counted_on_its_twin_and_says_so(workspace: Workspace) -> None:
    statistics = {"n_rows": 200, "n_classes": 150, "n_examples": 3000, "class_gini": 0.6}
    found = summarise(_task(kind="description", metric="ndcg@10", statistics=statistics), workspace)
    assert (found.kind, found.n_users, found.n_classes) == ("description", 200, 150)
    assert "synthetic twin" in found.notes[0]
    assert f"Gini index {found.class_gini:.2f}" in found.notes[0]


def test_one_percent_of_the_classes_is_rounded_up() -> None:
    assert [n_top_classes(n) for n in (2, 100, 101, 1682)] == [1, 1, 2, 17]


def test_data_that_cannot_be_used_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    path = _csv(tmp_path / "x.csv", "user,item", "1,a 2,a 3,a")
    with pytest.raises(TaskInvalidError, match="has one class only"):
        summarise(_task(path, metric="ndcg@10"), workspace)
