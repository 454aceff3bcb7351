"""Every error is a problem document with one clear sentence, and says nothing of the inside."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.settings import Settings
from tests.api.in_process import Client
from tests.api.servers import Site


def _check(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:softmax-advisor:problem:{name}"
    assert problem["status"] == status
    assert problem["instance"] == answer.request.url.path
    assert problem["detail"]
    assert "Traceback" not in answer.text
    return problem


def _post(site: Site, path: str = "/v1/recommendations", **changes: Any) -> httpx.Response:
    body = {"task": site.task(**changes)}
    if path == "/v1/calibrations":
        body["budget_seconds"] = 5
    return site.http.post(path, json=body)


def test_an_unknown_route_is_not_found(served: Site) -> None:
    problem = _check(served.http.get("/v1/nothing"), 404, "not-found")
    assert problem["detail"] == "there is nothing at /v1/nothing"


def test_a_method_that_is_not_there_is_not_allowed(served: Site) -> None:
    answer = served.http.delete("/v1/losses")
    _check(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/calibrations/0123456789abcdef",
        "/v1/recommendations/0123456789abcdef",
        "/v1/trials/0123456789abcdef",
        "/v1/trials/0123456789abcdef/measurements",
        "/v1/profiles/0123456789abcdef",
        "/v1/losses/hinge",
        "/v1/losses/hinge/source",
        "/v1/losses/..%2F__init__/source",
    ],
)
def test_what_is_not_there_is_not_found(served: Site, path: str) -> None:
    assert served.http.get(path).status_code == 404
    assert served.http.get(path).headers["content-type"] == "application/problem+json"


def test_cancelling_what_is_not_there_is_not_found(served: Site) -> None:
    _check(served.http.post("/v1/calibrations/0123456789abcdef:cancel"), 404, "not-found")


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/calibrations"])
@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"{}", "task"),
        (b'{"task": {"name": "x", "metric": "ndcg@10"}}', "task"),
        (b'{"task": {"data": {"path": "orders.csv"}, "metric": "auc"}}', "task.metric"),
        (b'{"task": {"data": {"path": "orders.csv"}, "horizon": {"epochs": -1}}}', "epochs"),
        (b'{"task": {"data": {"path": "orders.csv"}, "horizon": {"epochs": NaN}}}', "epochs"),
        (b'{"task": {"data": {"path": "orders.csv"}, "horizon": {"epochs": 1e999}}}', "epochs"),
        (b'{"task": {"data": {"path": "orders.csv"}, "colour": "red"}}', "task.colour"),
        (b'{"task": {"data": {"path": "\\ud800"}}}', "task.data.path"),
    ],
)
def test_a_body_that_is_not_what_it_should_be_names_each_fault(
    served: Site, path: str, content: bytes, field: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = served.http.post(path, content=content, headers=headers)
    problem = _check(answer, 422, "request-invalid")
    assert any(field in fault["field"] for fault in problem["errors"])
    assert all(fault["problem"] in problem["detail"] for fault in problem["errors"])


def test_all_faults_come_at_once(served: Site) -> None:
    task = served.task(metric="auc", horizon={"seconds": 0})
    answer = served.http.post("/v1/calibrations", json={"task": task, "budget_seconds": -1})
    problem = _check(answer, 422, "request-invalid")
    fields = [fault["field"] for fault in problem["errors"]]
    assert fields == ["task.metric", "task.horizon.seconds", "budget_seconds"]
    assert problem["errors"][2]["given"] == "-1"


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_a_body_that_no_parser_takes_is_a_bad_request(served: Site, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = served.http.post("/v1/recommendations", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/calibrations"])
@pytest.mark.parametrize(
    ("changes", "name", "sentence"),
    [
        ({"losses": {"include": ["hinge"]}}, "unknown-loss", "unknown loss 'hinge'; known are"),
        ({"baseline": {"loss": "hinge"}}, "unknown-loss", "unknown loss 'hinge'; known are"),
        ({"data": {"path": "none.csv"}}, "data-invalid", "there is no file 'none.csv'"),
        ({"data": {"path": "."}, "kind": "interactions"}, "data-invalid", "no known ending"),
        ({"data": {"path": "orders.xlsx"}}, "data-invalid", "no known ending"),
        ({"data": {"path": "empty.csv"}}, "data-invalid", "'empty.csv' is empty"),
        ({"data": {"path": "one.csv"}}, "data-invalid", "one class only"),
        (
            {"data": {"path": "orders.csv", "columns": {"user": "customer"}}},
            "data-invalid",
            "no column 'customer'",
        ),
        ({"data": {"path": "/etc/passwd"}}, "data-invalid", "outside the data folder"),
        ({"data": {"path": "../../etc/passwd"}}, "data-invalid", "outside the data folder"),
        ({"data": {"path": "link.csv"}}, "data-invalid", "outside the data folder"),
        ({"data": {"path": "a\0b.csv"}}, "task-invalid", "NUL"),
        ({"name": "a\0b"}, "task-invalid", "NUL"),
    ],
)
def test_a_task_that_cannot_be_served_says_why(
    served: Site, path: str, changes: dict[str, Any], name: str, sentence: str
) -> None:
    _write_bad_files(served.data_dir)
    problem = _check(_post(served, path, **changes), 422, name)
    assert sentence in problem["detail"]
    assert str(served.data_dir) not in problem["detail"]


def _write_bad_files(folder: Path) -> None:
    (folder / "empty.csv").touch()
    (folder / "one.csv").write_text("user,item\nu1,i1\nu2,i1\n")
    (folder.parent / "outside.csv").write_text("user,item\nu1,i1\nu2,i2\n")
    (folder / "link.csv").unlink(missing_ok=True)
    (folder / "link.csv").symlink_to("../outside.csv")


def test_a_budget_above_the_maximum_is_refused(served: Site) -> None:
    body = {"task": served.task(), "budget_seconds": 1e9}
    problem = _check(served.http.post("/v1/calibrations", json=body), 422, "task-invalid")
    assert problem["detail"] == "budget_seconds: 1e+09 is not above 0 and at most 86400"


def test_a_tag_that_no_worker_may_have_is_refused(served: Site) -> None:
    body = {"task": served.task(), "budget_seconds": 5, "device_tag": "command-line"}
    problem = _check(served.http.post("/v1/calibrations", json=body), 422, "task-invalid")
    assert "device_tag" in problem["detail"]


def test_an_unknown_device_is_refused(served: Site) -> None:
    body = {"task": served.task(), "device": "abacus"}
    problem = _check(served.http.post("/v1/recommendations", json=body), 422, "task-invalid")
    assert "'abacus'" in problem["detail"]


@pytest.mark.parametrize("path", ["calibrations", "trials", "profiles"])
@pytest.mark.parametrize("query", ["page_token=rubbish", "page_token=%00", "page_token=é"])
def test_a_page_token_that_is_not_ours_is_refused(served: Site, path: str, query: str) -> None:
    _check(served.http.get(f"/v1/{path}?{query}"), 422, "page-invalid")


@pytest.mark.parametrize("path", ["calibrations", "trials", "profiles"])
@pytest.mark.parametrize("size", ["0", "1001", "many"])
def test_a_page_size_out_of_range_is_refused(served: Site, path: str, size: str) -> None:
    problem = _check(served.http.get(f"/v1/{path}?page_size={size}"), 422, "request-invalid")
    assert problem["errors"][0]["field"] == "page_size"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/calibrations/%00",
        "/v1/losses/%00",
        "/v1/trials?loss=%00",
        "/v1/profiles?task=%00",
        "/v1/profiles?n_classes_min=99999999999999999999",
        "/v1/calibrations?status=lost",
    ],
)
def test_text_that_no_database_takes_is_refused(served: Site, path: str) -> None:
    _check(served.http.get(path), 422, "request-invalid")


def test_the_unexpected_says_nothing_of_the_inside(tmp_path: Path) -> None:
    # Without its lifespan the app has no service: every operation that needs it fails.
    app = create_app(Settings(data_dir=tmp_path), address="127.0.0.1")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/v1/devices")

    problem = _check(asyncio.run(ask()), 500, "internal")
    assert problem["detail"] == "something went wrong in the service; its log says what"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "Expecting property name"),
        (b'{"task": "\xff"}', "it is not UTF-8 text"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_invalid(lone: Client, body: bytes, reason: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = lone.post("/v1/recommendations", content=body, headers=headers)
    problem = _check(answer, 422, "request-invalid")
    assert problem["detail"].startswith(f"body: this is not JSON: {reason}")
