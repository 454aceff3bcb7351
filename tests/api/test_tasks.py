"""Stored tasks: kept under an id, named instead of sent again, and what their data holds."""

from pathlib import Path
from typing import Any

import pytest

from advisor.task import Task
from api.settings import Settings
from profiler.prepare import summarise
from tests.api.in_process import Client
from tests.small_data import write_interactions

SHOP = {"name": "shop", "data": {"path": "orders.csv"}, "metric": "ndcg@10"}
NUMBERS = {
    "name": "planned",
    "kind": "description",
    "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 3000},
}


@pytest.fixture(autouse=True)
def _orders(tmp_path: Path) -> None:
    write_interactions(tmp_path / "orders.csv")


def _kept(http: Client, task: dict[str, Any]) -> dict[str, Any]:
    answer = http.post("/v1/tasks", json={"task": task})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/tasks/{answer.json()['id']}"
    return answer.json()


def test_a_task_is_kept_listed_and_deleted(http: Client) -> None:
    first, second = _kept(http, SHOP), _kept(http, NUMBERS)
    assert first["task"] == Task.model_validate(SHOP).model_dump(mode="json")
    assert http.get(f"/v1/tasks/{first['id']}").json() == first
    assert http.get("/v1/tasks").json()["items"] == [second, first]
    assert http.get("/v1/tasks?name=shop").json()["items"] == [first]
    page = http.get("/v1/tasks?page_size=1").json()
    rest = http.get("/v1/tasks", params={"page_token": page["next_page_token"]}).json()
    assert page["items"] + rest["items"] == [second, first]
    assert http.delete(f"/v1/tasks/{first['id']}").status_code == 204
    assert http.get(f"/v1/tasks/{first['id']}").status_code == 404
    assert http.delete(f"/v1/tasks/{first['id']}").status_code == 404
    assert http.get("/v1/tasks").json()["items"] == [second]


def test_an_answer_may_be_asked_for_by_the_id_of_a_task(http: Client) -> None:
    stored = _kept(http, NUMBERS)
    answer = http.post("/v1/recommendations", json={"task_id": stored["id"]})
    assert answer.status_code == 201, answer.text
    assert answer.json()["task"] == stored["task"]
    unknown = http.post("/v1/recommendations", json={"task_id": "nothing"})
    assert unknown.status_code == 404
    assert unknown.json()["detail"] == "no task 'nothing'"


@pytest.mark.parametrize("path", ["recommendations", "calibrations"])
@pytest.mark.parametrize("given", [{}, {"task": NUMBERS, "task_id": "x"}])
def test_a_task_is_given_once(lone: Client, path: str, given: dict[str, Any]) -> None:
    answer = lone.post(f"/v1/{path}", json={**given, "budget_seconds": 5})
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["field"] == "task"
    assert fault["problem"] == "give a task, or the task_id of a stored one, and not both"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"losses": {"include": ["hinge"]}}, "unknown-loss"),
        ({"data": {"path": "none.csv"}}, "data-invalid"),
        ({"data": {"path": "../orders.csv"}}, "data-invalid"),
        ({"data": {"path": "datasets/orders.csv"}}, "data-invalid"),
        ({"data": {"path": "advisor.sqlite-wal"}}, "data-invalid"),
        ({"metric": "auc"}, "request-invalid"),
    ],
)
def test_a_task_that_could_not_be_served_is_not_kept(
    lone: Client, changes: dict[str, Any], name: str
) -> None:
    answer = lone.post("/v1/tasks", json={"task": {**SHOP, **changes}})
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:softmax-advisor:problem:{name}"
    assert lone.get("/v1/tasks").json()["items"] == []


def test_the_summary_is_that_of_the_command_line_and_read_again_when_the_file_changes(
    http: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/tasks/{_kept(http, SHOP)['id']}/summary"
    found = http.get(path)
    assert found.status_code == 200, found.text
    here = Task.model_validate({**SHOP, "data": {"path": str(tmp_path / "orders.csv")}})
    expected = summarise(here, Settings(data_dir=tmp_path).workspace())
    assert found.json() == expected.model_dump(mode="json")
    with monkeypatch.context() as patched:
        patched.setattr("api.stories.tasks.summarise", _must_not_be_called)
        assert http.get(path).json() == found.json()
    write_interactions(tmp_path / "orders.csv", n_users=100)
    assert http.get(path).json()["n_users"] == 100


def test_a_description_has_the_summary_of_its_twin(lone: Client) -> None:
    found = lone.get(f"/v1/tasks/{_kept(lone, NUMBERS)['id']}/summary").json()
    assert found["kind"] == "description"
    assert found["n_classes"] == 200


def _must_not_be_called(*_: object) -> None:
    raise AssertionError("the file was read again")
