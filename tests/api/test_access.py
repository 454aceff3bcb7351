"""Who is let in: with a key, and without one only where none is needed and no browser is fooled."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from api.origins import is_loopback
from api.settings import Settings
from store.access import Scope
from store.columns import now
from store.engine import Store, open_store
from tests.api.in_process import in_process
from tests.databases import sqlite_url

DESCRIPTION = {
    "name": "planned",
    "kind": "description",
    "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 3000},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def guarded(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """A server that others reach."""
    with in_process(_settings(tmp_path), address="0.0.0.0") as client:
        yield client


@pytest.fixture
def local(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    """A server that only this machine reaches."""
    with in_process(_settings(tmp_path)) as client:
        yield client


def _settings(folder: Path, **changes: object) -> Settings:
    return Settings(data_dir=folder, database_url=sqlite_url(folder), **changes)  # pyright: ignore[reportArgumentType]


def _bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def _problem(answer: httpx.Response, status: int) -> tuple[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    return problem["type"].rpartition(":")[2], problem["detail"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_is_a_bearer_or_a_header_of_its_own(
    guarded: TestClient, store: Store, scheme: str
) -> None:
    text = store.access.create("shop", "read").text
    assert guarded.get("/v1/losses", headers={"Authorization": f"{scheme} {text}"}).is_success
    assert guarded.get("/v1/losses", headers={"X-API-Key": text}).is_success


def test_without_a_key_nobody_is_let_in_and_it_is_said_how(guarded: TestClient) -> None:
    for path in ("/v1/losses", "/v1/nothing", "/docs/../v1/losses"):
        answer = guarded.get(path)
        assert _problem(answer, 401) == (
            "key-missing",
            "A key is needed: `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
        )
        assert answer.headers["www-authenticate"] == 'Bearer realm="softmax-advisor"'


def test_a_key_in_the_address_is_none(guarded: TestClient, store: Store) -> None:
    text = store.access.create("shop", "read").text
    assert guarded.get("/v1/losses", params={"api_key": text, "key": text}).status_code == 401


def test_a_wrong_key_is_refused_before_the_body_is_looked_at(guarded: TestClient) -> None:
    for headers in (_bearer("sa_x"), {"X-API-Key": "sa_x"}, {"Authorization": "Basic c2E6eA=="}):
        answer = guarded.post("/v1/recommendations", content=b"{", headers=headers)
        assert _problem(answer, 401)[0] == "key-invalid"


def test_an_expired_or_revoked_key_says_so_to_whoever_has_it(
    guarded: TestClient, store: Store
) -> None:
    old = store.access.create("shop", "read", expires_at=now() - timedelta(seconds=1))
    name, detail = _problem(guarded.get("/v1/losses", headers=_bearer(old.text)), 401)
    assert name == "key-invalid"
    assert detail.startswith(f"the key {old.key.id} expired on ")
    gone = store.access.create("shop", "read")
    assert guarded.get("/v1/losses", headers=_bearer(gone.text)).is_success
    store.access.revoke(gone.key.id)
    _, detail = _problem(guarded.get("/v1/losses", headers=_bearer(gone.text)), 401)
    assert detail.startswith(f"the key {gone.key.id} was revoked on ")


@pytest.mark.parametrize(
    ("scope", "asks", "keeps"), [("read", 201, 403), ("calibrate", 201, 201), ("admin", 201, 201)]
)
def test_a_scope_allows_what_those_below_it_allow(
    guarded: TestClient, store: Store, scope: Scope, asks: int, keeps: int
) -> None:
    headers = _bearer(store.access.create("shop", scope).text)
    assert guarded.get("/v1/profiles", headers=headers).status_code == 200
    body = {"task": DESCRIPTION}
    assert guarded.post("/v1/recommendations", json=body, headers=headers).status_code == asks
    answer = guarded.post("/v1/tasks", json=body, headers=headers)
    assert answer.status_code == keeps
    if keeps == 403:
        name, detail = _problem(answer, 403)
        assert name == "scope-missing"
        assert "needs a key with scope 'calibrate'" in detail


def test_what_says_nothing_of_any_tenant_is_open(guarded: TestClient) -> None:
    for path in ("/healthz", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200


def test_a_server_of_this_machine_needs_no_key_but_takes_one(
    local: TestClient, store: Store
) -> None:
    assert local.get("/v1/losses").is_success
    assert local.get("/v1/losses", headers=_bearer("sa_x")).status_code == 401
    text = store.access.create("shop", "calibrate").text
    kept = local.post("/v1/tasks", json={"task": DESCRIPTION}, headers=_bearer(text)).json()
    assert local.get(f"/v1/tasks/{kept['id']}", headers=_bearer(text)).json() == kept
    assert local.get(f"/v1/tasks/{kept['id']}").status_code == 404


def test_behind_a_proxy_a_key_may_be_asked_for_here_too(store: Store, tmp_path: Path) -> None:
    settings = _settings(tmp_path, needs_key=True)
    with in_process(settings) as client:
        assert client.get("/v1/losses", headers={"Host": "advisor.example"}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "127.0.0.2"]
)
def test_a_name_that_a_site_let_lead_here_is_refused(local: TestClient, host: str) -> None:
    name, detail = _problem(local.get("/v1/losses", headers={"Host": host}), 403)
    assert name == "host-refused"
    assert "127.0.0.1, ::1, localhost" in detail


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000"])
def test_this_machine_is_asked_by_its_own_names(local: TestClient, host: str) -> None:
    assert local.get("/v1/losses", headers={"Host": host}).is_success


def test_other_names_may_be_allowed(store: Store, tmp_path: Path) -> None:
    with in_process(_settings(tmp_path, hosts="Advisor.Example, other.example")) as client:
        assert client.get("/v1/losses", headers={"Host": "advisor.example:8000"}).is_success
        assert client.get("/v1/losses", headers={"Host": "localhost"}).status_code == 403
        assert client.get("/healthz", headers={"Host": "10.0.0.7"}).is_success


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9000", "http://localhost", "x"]
)
def test_what_a_page_of_another_site_sends_is_refused(local: TestClient, origin: str) -> None:
    headers = {"Origin": origin}
    for answer in (
        local.get("/v1/profiles", headers=headers),
        local.post("/v1/tasks", json={"task": DESCRIPTION}, headers=headers),
    ):
        name, detail = _problem(answer, 403)
        assert name == "origin-refused"
        assert origin in detail
    assert local.get("/v1/tasks").json()["items"] == []


def test_a_form_that_any_page_may_send_is_not_taken(local: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        body = b'{"task": {"kind": "description", "statistics": {"n_classes": 9}}}'
        answer = local.post("/v1/tasks", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422, answer.text
    assert local.get("/v1/tasks").json()["items"] == []


def test_pages_of_the_server_itself_are_served(local: TestClient) -> None:
    headers = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    assert local.get("/v1/losses", headers=headers).is_success


def test_nothing_lets_pages_of_others_read(local: TestClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = local.options("/v1/tasks", headers=asked)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.7", False),
        ("advisor.example", False),
        ("localhost.evil.example", False),
        ("::ffff:0.0.0.0", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
