"""Durations and task files, as people write them."""

from pathlib import Path

import pytest

from advisor.errors import TaskInvalidError
from api.commands.inputs import parse_duration, read_task


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("2m", 120), ("1h30m", 5400), ("90", 90), ("1.5s", 1.5), (" 1h2m3s ", 3723)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "abc", "1m2h", "1 m", "-1s", "0", "0m0s", "1e3", "9" * 400]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(TaskInvalidError, match=r"^budget: "):
        parse_duration(text)


def test_data_is_found_beside_the_task_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.csv").touch()
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").touch()
    monkeypatch.chdir(tmp_path)
    task = tmp_path / "here" / "task.yaml"
    for name, found in (("a.csv", tmp_path / "here" / "a.csv"), ("b.csv", tmp_path / "b.csv")):
        task.write_text(f"data: {{path: {name}}}")
        data = read_task(task).data
        assert data is not None
        assert data.path == str(found)


def test_numbers_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    file = tmp_path / "task.yaml"
    settings = "{softmax: {learning_rate: [1e-3, 0.01, 1.e-2]}}"
    file.write_text(f"data: {{path: a.csv}}\nlosses: {{settings: {settings}}}")
    assert read_task(file).losses.settings["softmax"]["learning_rate"] == (0.001, 0.01, 0.01)


def test_a_file_of_labels_is_found_beside_the_task_too(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text("{kind: embeddings, data: {path: h.npy, labels: y.npy}}")
    (tmp_path / "h.npy").touch()
    with pytest.raises(TaskInvalidError, match=r"data\.labels: there is no file 'y\.npy'"):
        read_task(file)
    (tmp_path / "y.npy").touch()
    data = read_task(file).data
    assert data is not None
    assert data.labels == str(tmp_path / "y.npy")
