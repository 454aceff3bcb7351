"""Answers are remembered by all that they depend on: fast the second time, never out of date."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from advisor.task import Task
from api.stories.recommend import recommend_now
from api.stories.remembered import Remembered
from tests.api.in_process import Client
from tests.api.servers import Site, site
from tests.databases import postgresql_database
from tests.small_data import write_interactions
from tests.store.examples import a_profile

TASK = {
    "name": "planned",
    "kind": "description",
    "statistics": {"n_rows": 900, "n_classes": 1000, "n_examples": 90_000},
    "losses": {"include": ["bpr", "rg2", "softmax"]},
    "horizon": {"epochs": 10},
}
OWN = {"id", "created_at", "elapsed_seconds"}


def _answer(http: httpx.Client, **changes: Any) -> dict[str, Any]:
    answered = http.post("/v1/recommendations", json={"task": {**TASK, **changes}})
    assert answered.status_code == 201, answered.text
    return answered.json()


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in OWN}


def _tell(http: httpx.Client, answer: dict[str, Any], value: float) -> str:
    told = {"loss": "bpr", "value": value, "epochs": 10}
    answered = http.post(f"/v1/recommendations/{answer['id']}/outcome", json=told)
    assert answered.status_code == 201, answered.text
    return answered.json()["profile_id"]


def test_the_same_question_has_the_same_answer_under_a_new_id(http: Client) -> None:
    first, again = _answer(http), _answer(http)
    assert first["id"] != again["id"]
    assert _content(first) == _content(again)
    assert again["elapsed_seconds"] < first["elapsed_seconds"]
    for answer in (first, again):
        assert http.get(f"/v1/recommendations/{answer['id']}").json() == answer
    assert len(http.service.answers) == 1


def test_what_is_remembered_of_profiles_is_what_a_new_service_reads(http: Client) -> None:
    """Tasks of other sizes read the same profiles: in another order, from what is remembered."""
    evidence = http.service.store.evidence
    for i, loss in enumerate(("bpr", "rg2", "softmax")):
        candidate = {"loss": loss, "settings": {"learning_rate": 0.01}}
        near = a_profile().model_copy(
            update={
                "kind": "interactions",
                "task_fingerprint": f"near-{i}",
                "candidate": a_profile().candidate.model_validate(candidate),
            }
        )
        evidence.save_profile(near, None)
    sizes = [{"statistics": TASK["statistics"] | {"n_classes": n}} for n in (1020, 1050, 1100)]
    warm = [_content(_answer(http, **size)) for size in sizes]
    assert len(http.service.evidence) == 1
    for size, answer in zip(sizes, warm, strict=True):
        anew = replace(http.service, answers=Remembered(1), evidence=Remembered(1))
        asked = Task.model_validate({**TASK, **size})
        found = recommend_now(anew, asked).model_dump(mode="json")
        assert _content(found) == answer


def test_every_change_of_the_profiles_changes_the_next_answer(http: Client) -> None:
    first = _answer(http)
    id_ = _tell(http, first, value=0.9)
    with_it = _answer(http)
    assert _content(with_it) != _content(first)
    path = f"/v1/profiles/{id_}"
    for change, expected in (
        (lambda: http.patch(path, json={"bad": True}), first),
        (lambda: http.patch(path, json={"bad": False}), with_it),
        (lambda: http.delete(path), first),
    ):
        assert change().status_code in (200, 204)
        assert _content(_answer(http)) == _content(expected)


def test_a_preview_is_remembered_too_and_as_little_out_of_date(http: Client) -> None:
    first = _answer(http)
    asked = {"recommendation_id": first["id"], "horizon": {"epochs": 3}}

    def preview() -> dict[str, Any]:
        return _content(http.post("/v1/recommendations:preview", json=asked).json())

    before = preview()
    assert preview() == before
    _tell(http, first, value=0.9)
    assert preview() != before


def test_what_a_file_holds_is_remembered_until_the_file_changes(
    lone: Client, tmp_path: Path
) -> None:
    file = write_interactions(tmp_path / "orders.csv", n_users=60, n_items=40, per_user=8)
    task = {"kind": "interactions", "data": {"path": "orders.csv"}, "statistics": None}
    first, again = _answer(lone, **task), _answer(lone, **task)
    assert _content(first) == _content(again)
    assert len(lone.service.prepared) == 1
    write_interactions(file, n_users=70, n_items=40, per_user=8)
    assert _answer(lone, **task)["statistics"]["n_rows"] == first["statistics"]["n_rows"] + 10
    file.unlink()
    gone = lone.post("/v1/recommendations", json={"task": {**TASK, **task}})
    assert (gone.status_code, "orders.csv" in gone.json()["detail"]) == (422, True)


def test_a_bounded_number_is_remembered_the_last_asked_for() -> None:
    made: list[int] = []

    def square(n: int) -> int:
        made.append(n)
        return n * n

    known = Remembered[int](2)
    assert [known.get(n, lambda n=n: square(n)) for n in (1, 2, 1, 3, 1, 2)] == [1, 4, 1, 9, 1, 4]
    assert made == [1, 2, 3, 2]
    assert len(known) == 2


def test_what_fails_is_not_remembered() -> None:
    known = Remembered[int](2)
    with pytest.raises(ZeroDivisionError):
        known.get("a", lambda: 1 // 0)
    assert known.get("a", lambda: 1) == 1


@pytest.fixture
def two_servers(postgresql: sa.URL, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    with (
        postgresql_database(postgresql) as url,
        site(url, tmp_path / "a") as a,
        site(url, tmp_path / "b") as b,
    ):
        for each in (a, b):
            each.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        yield a, b


def test_what_one_server_is_told_another_answers_by_at_once(
    two_servers: tuple[Site, Site],
) -> None:
    a, b = (each.http for each in two_servers)
    first = _answer(a)
    assert _content(_answer(b)) == _content(first)
    before = first
    for value in (0.9, 0.1):
        id_ = _tell(a, first, value=value)
        now = _answer(b)
        assert _content(now) != _content(before)
        assert _content(now) == _content(_answer(a))
        before = now
    assert b.patch(f"/v1/profiles/{id_}", json={"bad": True}).status_code == 200
    assert _content(_answer(a)) == _content(first)
