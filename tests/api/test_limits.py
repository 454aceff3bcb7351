"""Limits: too often, too much, too large. It is said what is allowed, and when to come back."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.limits import Rate, RateExceededError
from store.engine import Store, open_store
from tests.api.servers import Site, site
from tests.databases import sqlite_url

BODY_BYTES_MAX = 3000
REQUESTS_PER_MINUTE = 30
DESCRIPTION = {
    "kind": "description",
    "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 3000},
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that queues and runs nothing, with small limits."""
    folder = tmp_path_factory.mktemp("limited")
    with site(sqlite_url(folder), folder) as here:
        here.serve(
            ADVISOR_RUNS_CALIBRATIONS="false",
            ADVISOR_BODY_BYTES_MAX=str(BODY_BYTES_MAX),
            ADVISOR_CALIBRATIONS_MAX="2",
            ADVISOR_REQUESTS_PER_MINUTE=str(REQUESTS_PER_MINUTE),
        )
        yield here


@pytest.fixture
def store(limited: Site) -> Iterator[Store]:
    opened = open_store(limited.database_url)
    yield opened
    opened.close()


def _problem(answer: httpx.Response, status: int, name: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:softmax-advisor:problem:{name}"
    return answer.json()["detail"]


def test_a_key_that_asks_too_often_is_told_when_to_come_back(limited: Site, store: Store) -> None:
    made = store.access.create("shop", "read")
    headers = {"X-API-Key": made.text}
    answers = [limited.http.get("/v1/samples", headers=headers) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(answers) - len(refused) >= REQUESTS_PER_MINUTE
    detail = _problem(refused[0], 429, "rate-exceeded")
    assert detail == f"more than 30 requests in a minute with the key {made.key.id}"
    assert 1 <= int(refused[0].headers["retry-after"]) <= 2
    # Others are not made to wait for it, nor is the health of the service.
    other = {"X-API-Key": store.access.create("shop", "read").text}
    assert limited.http.get("/v1/samples", headers=other).status_code == 200
    assert limited.http.get("/v1/samples").status_code == 200
    assert limited.http.get("/readyz").status_code == 200


def test_a_tenant_has_so_many_calibrations_that_wait_or_run(limited: Site, store: Store) -> None:
    body = {"task": DESCRIPTION, "budget_seconds": 5}

    def ask(**headers: str) -> httpx.Response:
        return limited.http.post("/v1/calibrations", json=body, headers=headers)

    opened = [ask() for _ in range(2)]
    assert [answer.status_code for answer in opened] == [202, 202]
    refused = ask()
    detail = _problem(refused, 429, "too-many-calibrations")
    assert detail.startswith("2 calibrations of yours wait or run, and 2 may")
    assert refused.headers["retry-after"] == "60"
    shop = store.access.create("shop", "calibrate").text
    assert ask(**{"X-API-Key": shop}).status_code == 202
    limited.http.post(f"/v1/calibrations/{opened[0].json()['id']}:cancel")
    assert ask().status_code == 202


@pytest.mark.parametrize("path", ["recommendations", "calibrations", "tasks"])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_is_too_large_is_refused(limited: Site, path: str, in_chunks: bool) -> None:
    task = DESCRIPTION | {"name": "x" * BODY_BYTES_MAX}
    content = json.dumps({"task": task, "budget_seconds": 5}).encode()
    answer = _send(limited, path, content, in_chunks=in_chunks)
    detail = _problem(answer, 413, "body-too-large")
    assert detail == "a body has at most 3,000 bytes here"
    assert answer.headers["x-content-type-options"] == "nosniff"
    small = json.dumps({"task": DESCRIPTION, "budget_seconds": 5}).encode()
    small += b" " * (BODY_BYTES_MAX - len(small))
    assert _send(limited, path, small, in_chunks=in_chunks).status_code != 413


def test_an_upload_may_be_larger(limited: Site) -> None:
    content = b"user,item\n" + b"u1,i1\nu2,i2\n" * BODY_BYTES_MAX
    answer = limited.http.post("/v1/uploads", content=content)
    assert answer.status_code == 201, answer.text


def _send(here: Site, path: str, content: bytes, *, in_chunks: bool) -> httpx.Response:
    pieces = (content[i : i + 500] for i in range(0, len(content), 500))
    headers = {"Content-Type": "application/json"}
    body: Any = pieces if in_chunks else content
    return here.http.post(f"/v1/{path}", content=body, headers=headers)


def test_the_rate_lets_through_a_minute_at_once_and_then_one_at_a_time() -> None:
    clock = _Clock()
    rate = Rate(60, clock)
    for _ in range(60):
        rate.count("a")
    for _ in range(3):  # a refusal costs nothing
        with pytest.raises(RateExceededError) as refused:
            rate.count("a")
        assert refused.value.retry_after_seconds == pytest.approx(1.0)
    rate.count("b")
    clock.now += 1.0
    rate.count("a")
    with pytest.raises(RateExceededError):
        rate.count("a")
    clock.now += 600.0
    for _ in range(60):
        rate.count("a")
    with pytest.raises(RateExceededError):
        rate.count("a")


def test_keys_that_ask_no_more_are_forgotten() -> None:
    clock = _Clock()
    rate = Rate(60, clock)
    for i in range(10_000):
        rate.count(f"key {i}")
    clock.now += 60.0
    rate.count("another")
    assert rate.n_keys == 1


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now
