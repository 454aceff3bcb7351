"""What a browser is told not to do, with every answer; and what an answer or a log never says."""

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.cli import main
from api.middleware.headers import HEADERS
from api.settings import Settings
from store.engine import open_store
from tests.api.in_process import in_process
from tests.databases import sqlite_url


@pytest.fixture
def local(tmp_path: Path) -> TestClient:
    url = sqlite_url(tmp_path)
    open_store(url).close()
    with in_process(Settings(data_dir=tmp_path, database_url=url)) as client:
        return client


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/losses", {}, 200),
        ("GET", "/v1/losses/softmax/source", {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/v1/nothing", {}, 404),
        ("DELETE", "/v1/losses", {}, 405),
        ("POST", "/v1/tasks", {}, 422),
        ("GET", "/v1/losses", {"X-API-Key": "sa_x"}, 401),
        ("GET", "/v1/losses", {"Host": "evil.example"}, 403),
        ("POST", "/v1/tasks", {"Content-Length": "9999999"}, 413),
    ],
)
def test_every_answer_has_them(
    local: TestClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = local.request(method, path, headers=headers)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "server" not in answer.headers


def test_an_answer_to_the_unexpected_has_them_too(tmp_path: Path) -> None:
    # Without its lifespan the app has no service: every operation that needs it fails.
    app = create_app(Settings(data_dir=tmp_path), address="127.0.0.1")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/v1/devices")

    answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_the_page_of_the_description_runs_what_this_server_has_and_nothing_else(
    local: TestClient,
) -> None:
    page = local.get("/docs")
    policy = dict(
        rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == policy["script-src"] == "'self'"
    assert "://" not in page.text
    assert re.findall(r"<script>", page.text) == []
    linked = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(linked) == 3
    for path in linked:
        whole = local.get(path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in whole.headers
        small = local.get(path, headers={"Accept-Encoding": "gzip"})
        assert (small.status_code, small.text) == (200, whole.text)
        assert small.headers["cache-control"].endswith("immutable")
        other = local.get(re.sub(r"[0-9.]+", "0.0", path, count=1))
        assert other.headers["content-type"] == "application/problem+json"
    assert local.get(f"{linked[0].rpartition('/')[0]}/favicon.png").status_code == 404


def test_what_is_given_never_becomes_a_header_or_markup(local: TestClient) -> None:
    path = "/v1/tasks/%3Cscript%3Ealert(1)%3C%2Fscript%3E%0d%0aX-Evil:%201"
    answer = local.get(path)
    assert answer.status_code in (404, 422)
    assert "x-evil" not in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "x'; DROP TABLE tasks; --",
        'x" OR 1=1 --',
        "100%_",
        "{{ 7 * 7 }}{% raise %}",
        "<script>alert(1)</script>",
        "${jndi:ldap://127.0.0.1/x}",
    ],
)
def test_what_is_given_is_text_and_nothing_else(local: TestClient, text: str) -> None:
    task = {
        "name": text,
        "kind": "description",
        "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 3000},
    }
    kept = local.post("/v1/tasks", json={"task": task}).json()
    assert kept["task"]["name"] == text
    assert local.get("/v1/tasks", params={"name": text}).json()["items"] == [kept]
    answer = local.post("/v1/recommendations", json={"task_id": kept["id"]}).json()
    assert answer["task"]["name"] == text
    for query in ({"loss": text}, {"task": text}, {"device": text}, {"kind": text}):
        assert local.get("/v1/profiles", params=query).json()["items"] == []
    assert local.get(f"/v1/tasks/{quote(text, safe='')}").status_code == 404
    assert local.get("/v1/tasks").json()["items"] == [kept]


def test_a_database_that_is_away_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ADVISOR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ADVISOR_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/name")
    for arguments in (["db", "upgrade"], ["serve"], ["worker"], ["keys", "list"]):
        assert main(arguments) == 1
    written = capsys.readouterr()
    assert "the database does not answer" in written.err
    assert "hunter2" not in written.out + written.err
