"""`data`: the same summary as a table and as JSON, and one sentence for what is wrong."""

import json
from pathlib import Path

from advisor.summary import DataSummary
from tests.cli.command import run, write_task
from tests.small_data import write_interactions


def test_the_data_of_a_task_is_shown_as_a_table(tmp_path: Path) -> None:
    write_interactions(tmp_path / "orders.csv", n_users=50, n_items=120, per_user=10)
    ended = run(tmp_path, "data", write_task(tmp_path))
    assert (ended.status, ended.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert lines[0] == "small shop interactions"
    assert "users 50" in lines
    assert "(user, item) pairs 500" in lines
    assert "positives per row 8.00" in lines
    assert "train 50 400 8.00" in lines
    assert "validation 50 50 1.00" in lines
    assert "- split at random within each user: 80% training, 10% validation, 10% test" in lines
    assert max(map(len, ended.stdout.splitlines())) <= 100


def test_as_json_it_is_the_value(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user,item\n" + "1,a\n1,b\n1,c\n1,d\n2,a\n2,b\n")
    file = write_task(tmp_path, kind="sequences", data="{path: events.csv}")
    ended = run(tmp_path, "data", file, "--json")
    assert ended.status == 0
    found = DataSummary.model_validate(json.loads(ended.stdout))
    assert (found.kind, found.n_users, found.n_records) == ("sequences", 2, 6)
    assert "column 'user' was taken for the user, by its name" in found.notes


def test_a_description_needs_no_file(tmp_path: Path) -> None:
    statistics = "{n_rows: 100, n_classes: 50, n_examples: 900}"
    file = write_task(tmp_path, kind="description", data="", statistics=statistics)
    ended = run(tmp_path, "data", file)
    assert ended.status == 0
    assert "synthetic twin" in ended.stdout


def test_data_that_cannot_be_used_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("user,item\n1,a\n2,a\n")
    ended = run(tmp_path, "data", write_task(tmp_path))
    assert (ended.status, ended.stdout) == (2, "")
    assert "has one class only" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
