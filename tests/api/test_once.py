"""Requests that may be repeated: a GET by its ETag, a POST by its Idempotency-Key."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from advisor.task import Task
from api.settings import Settings
from api.stories import once
from tests.api.in_process import Client, in_process

TASK = {
    "kind": "description",
    "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 3000},
    "losses": {"include": ["bpr", "softmax"]},
}
BODY = {"task": TASK}
KEY = {"Idempotency-Key": "monday's first"}


def test_what_was_fetched_before_is_not_sent_again_until_it_changes(http: Client) -> None:
    stored = http.post("/v1/tasks", json=BODY).json()
    for path in (f"/v1/tasks/{stored['id']}", "/v1/tasks", "/v1/losses", "/v1/losses/bpr/source"):
        first = http.get(path)
        tag = first.headers["etag"]
        assert http.get(path).headers["etag"] == tag
        for named in (tag, f'"other", W/{tag}', "*"):
            again = http.get(path, headers={"If-None-Match": named})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        other = http.get(path, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)
    tag = http.get("/v1/tasks").headers["etag"]
    http.post("/v1/tasks", json=BODY)
    assert http.get("/v1/tasks", headers={"If-None-Match": tag}).status_code == 200


def test_a_post_with_a_key_is_done_once_and_answered_the_same(
    database_url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    with in_process(settings) as http:
        first = http.post("/v1/recommendations", json=BODY, headers=KEY)
        assert first.status_code == 201
        assert http.post("/v1/recommendations", json=BODY, headers=KEY).content == first.content
    with in_process(settings) as http:  # after a restart
        again = http.post("/v1/recommendations", json=BODY, headers=KEY)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["content-type"] == "application/json"
        assert len(http.get("/v1/recommendations").json()["items"]) == 1
        without = http.post("/v1/recommendations", json=BODY).json()
        assert without["id"] != first.json()["id"]


def test_a_key_with_another_request_is_refused(http: Client) -> None:
    http.post("/v1/recommendations", json=BODY, headers=KEY)
    other = {"task": {**TASK, "name": "another"}}
    for path, body in (("recommendations", other), ("calibrations", BODY)):
        answer = http.post(f"/v1/{path}", json=body, headers=KEY)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:softmax-advisor:problem:key-reused"
        assert "monday's first" in answer.json()["detail"]
    assert len(http.get("/v1/recommendations").json()["items"]) == 1


def test_a_request_that_failed_may_be_corrected_under_its_key(lone: Client) -> None:
    wrong = {"task": {**TASK, "metric": "auc"}}
    unserved = {"task": {**TASK, "losses": {"include": ["hinge"]}}}
    for body in (wrong, unserved):
        assert lone.post("/v1/recommendations", json=body, headers=KEY).status_code == 422
    assert lone.post("/v1/recommendations", json=BODY, headers=KEY).status_code == 201


def test_what_was_made_before_the_answer_was_lost_is_found_again(
    http: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("api.stories.once.keep", _crash)
        assert http.post("/v1/recommendations", json=BODY, headers=KEY).status_code == 500
    (made,) = http.get("/v1/recommendations").json()["items"]
    answer = http.post("/v1/recommendations", json=BODY, headers=KEY)
    assert answer.json()["id"] == made["id"]
    store = http.service.store
    calibrations = [
        store.calibrations.create(Task.model_validate(TASK), 5, "cpu", id="0" * 32)
        for _ in range(2)
    ]
    assert calibrations[0] == calibrations[1]


def test_the_same_request_sent_many_times_at_once_is_answered_the_same(http: Client) -> None:
    def send(_: int) -> bytes:
        return http.post("/v1/recommendations", json=BODY, headers=KEY).content

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(6)))) == 1
    assert len(http.get("/v1/recommendations").json()["items"]) == 1


def test_two_tenants_may_have_the_same_key_and_old_ones_are_forgotten(http: Client) -> None:
    answers: list[Callable[[], Any]] = []
    for tenant in ("acme", "bank"):
        this = once.Once(tenant, "1", tenant)
        assert once.reserve(http.service, this) is None
        once.keep(http.service, this, once.Answer(201, None, tenant))
        answers.append(lambda this=this: once.reserve(http.service, this))
    assert [answer().body for answer in answers] == ["acme", "bank"]
    http.service.store.answers.forget(1)
    assert answers[0]().body == "acme"
    http.service.store.answers.forget(-1)
    assert answers[0]() is None


def test_a_key_that_is_no_text_of_ours_is_refused(lone: Client) -> None:
    for key in ("x" * 201, "é".encode(), b"a\x7f"):
        answer = lone.post("/v1/recommendations", json=BODY, headers={"Idempotency-Key": key})
        assert answer.status_code == 422, key


def _crash(*_: object) -> None:
    raise RuntimeError("the power is gone")
