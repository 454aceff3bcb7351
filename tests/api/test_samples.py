"""Samples over HTTP, and an answer to a task that is not kept."""

from pathlib import Path

from api.settings import Settings
from api.stories.samples import folder_in
from tests.api.in_process import Client, in_process
from tests.cli.command import run
from tests.databases import sqlite_url
from tests.small_data import write_interactions

ROW = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def test_a_sample_says_its_task_once_its_data_was_fetched(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "advisor", database_url=sqlite_url(tmp_path))
    with in_process(settings) as client:
        before = client.get("/v1/samples/python-stdlib").json()
        assert before["task"] is None
        fetched = run(tmp_path, "samples", "--fetch", "python-stdlib")
        assert fetched.status == 0, fetched.stderr
        after = client.get("/v1/samples/python-stdlib").json()
    assert after["task"]["data"]["path"] == "sample:python-stdlib"
    assert {**after, "task": None} == before


def test_a_task_names_a_sample_that_was_fetched(lone: Client, tmp_path: Path) -> None:
    csv = write_interactions(tmp_path / "orders.csv", n_users=60)
    pairs = [line.replace(",", "\t") for line in csv.read_text().splitlines()[1:]]
    folder_in(tmp_path).mkdir()
    file = folder_in(tmp_path) / "ml-100k.inter"
    file.write_text("\n".join([ROW, *(f"{pair}\t5\t{i}" for i, pair in enumerate(pairs))]) + "\n")
    task = lone.get("/v1/samples/ml-100k").json()["task"]
    answer = lone.post("/v1/recommendations", json={"task": task})
    assert answer.status_code == 201, answer.text
    assert answer.json()["statistics"]["n_rows"] == 60


def test_what_was_not_fetched_is_said_with_the_way_to_it(lone: Client) -> None:
    task = {"data": {"path": "sample:ml-100k"}}
    refused = lone.post("/v1/recommendations", json={"task": task})
    assert refused.status_code == 422
    assert "softmax-advisor samples --fetch ml-100k" in refused.json()["detail"]
    unknown = lone.post("/v1/recommendations", json={"task": {"data": {"path": "sample:../x"}}})
    assert "there is no sample '../x'" in unknown.json()["detail"]


def test_a_task_is_previewed_and_nothing_is_kept(lone: Client) -> None:
    task = {
        "kind": "description",
        "statistics": {"n_rows": 2000, "n_classes": 500, "n_examples": 60000},
    }
    preview = lone.post("/v1/recommendations:preview", json={"task": task})
    assert preview.status_code == 200, preview.text
    assert lone.get("/v1/recommendations").json()["items"] == []
    stored = lone.post("/v1/recommendations", json={"task": task}).json()
    assert stored["ranking"] == preview.json()["ranking"]


def test_a_preview_is_of_an_answer_or_of_a_task(lone: Client) -> None:
    task = {
        "kind": "description",
        "statistics": {"n_rows": 20, "n_classes": 5, "n_examples": 60},
    }
    for body in ({}, {"task": task, "recommendation_id": "x"}, {"task": task, "trade": {}}):
        refused = lone.post("/v1/recommendations:preview", json=body)
        assert refused.status_code == 422, body
