"""Every operation with every wrong key: refused, and not a byte of another tenant's data.

`ASKS` says how each operation is asked about what belongs to the tenant "shop". An operation that
is not in there fails the first test: add it, with what another tenant is to be answered.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from advisor.search_space import candidates
from advisor.task import Task
from store.access import Scope
from store.columns import now
from store.engine import Store, open_store
from tests.api.servers import Site, site
from tests.databases import sqlite_url
from tests.store.examples import (
    LAPTOP,
    a_candidate,
    a_leg,
    a_probe,
    a_profile,
    a_recommendation,
    a_report,
    statistics,
)

pytestmark = pytest.mark.slow

MARK = "mulberry"
"""In every name that "shop" gives to anything."""
DESCRIPTION = {
    "kind": "description",
    "metric": "ndcg@10",
    "statistics": {"n_rows": 900, "n_classes": 1000, "n_examples": 90_000},
}


@dataclass(frozen=True)
class Ask:
    """How an operation is asked, and how it answers the key of another tenant."""

    other: int = 404
    json: dict[str, Any] | None = None
    content: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    is_shops: bool = True
    """Whether "shop" itself is answered with something that has its mark."""
    own: int | None = None
    """How "shop" is answered, where that is no success."""


OF_ALL = Ask(other=200, is_shops=False)
LISTED = Ask(other=200)
UNMARKED = Ask(is_shops=False)
BY_TASK = {"task_id": "{task_id}"}
ASKS = {
    "create_recommendation": Ask(json=BY_TASK),
    "list_recommendations": LISTED,
    "get_recommendation": Ask(),
    "get_report": Ask(),
    "preview_recommendation": Ask(json={"recommendation_id": "{recommendation_id}"}),
    "create_outcome": Ask(json={"epochs": 1, "value": 0.2}, is_shops=False),
    "list_outcomes": UNMARKED,
    "create_calibration": Ask(json=BY_TASK | {"budget_seconds": 5}, is_shops=False),
    "plan_calibration": Ask(json=BY_TASK | {"budget_seconds": 60}, is_shops=False),
    "list_calibrations": LISTED,
    "get_calibration": Ask(),
    "cancel_calibration": Ask(),
    "stream_events": Ask(),
    "ask_trial": Ask(json={}, is_shops=False, own=409),
    "tell_trial": Ask(json={"lease_id": "x"}, is_shops=False, own=409),
    "list_trials": Ask(other=200, query={"calibration_id": "{calibration_id}"}),
    "get_trial": Ask(),
    "list_measurements": UNMARKED,
    "list_profiles": LISTED,
    "list_shipped_profiles": OF_ALL,
    "get_profile": Ask(),
    "mark_profile": Ask(json={"bad": False}),
    "share_profile": Ask(),
    "unshare_profile": Ask(),
    "list_devices": LISTED,
    "get_device": Ask(),
    "list_workers": OF_ALL,
    "create_task": Ask(
        other=422, json={"task": {"name": MARK, "data": {"path": "upload:{upload_id}"}}}
    ),
    "list_tasks": LISTED,
    "get_task": Ask(),
    "get_task_summary": Ask(),
    "create_upload": Ask(other=201, content="user,item\nu1,i1\n", is_shops=False),
    "list_uploads": LISTED,
    "get_upload": Ask(),
    "preview_upload": Ask(),
    "list_losses": OF_ALL,
    "get_loss": OF_ALL,
    "get_loss_source": OF_ALL,
    "list_samples": OF_ALL,
    "get_metrics": OF_ALL,
    "get_sample": OF_ALL,
    "healthz": OF_ALL,
    "readyz": OF_ALL,
    # Last, so that they are there until then.
    "delete_profile": UNMARKED,
    "delete_task": UNMARKED,
    "delete_upload": UNMARKED,
}
OPEN = {"healthz", "readyz"}
SCOPES: tuple[Scope, ...] = ("read", "calibrate", "admin")


@dataclass(frozen=True)
class Shop:
    """A server that asks for keys, and what the tenant "shop" has there."""

    http: httpx.Client
    store: Store
    operations: dict[str, tuple[str, str, str | None]]
    ids: dict[str, str]

    def key(self, tenant: str = "shop", scope: Scope = "admin", **changes: Any) -> str:
        return self.store.access.create(tenant, scope, **changes).text

    def ask(self, name: str, key: str | None) -> httpx.Response:
        method, path, _ = self.operations[name]
        ask = ASKS[name]
        body = None if ask.json is None else self._filled(json.dumps(ask.json))
        return self.http.request(
            method,
            self._filled(path),
            params={name: self._filled(value) for name, value in ask.query.items()},
            content=body if ask.content is None else ask.content,
            headers={"Content-Type": "application/json"}
            | ({} if key is None else {"Authorization": f"Bearer {key}"}),
        )

    def _filled(self, text: str) -> str:
        for name, id_ in self.ids.items():
            text = text.replace("{" + name + "}", id_)
        return text


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("tenants")
    with site(sqlite_url(folder), folder) as here:
        store = open_store(here.database_url)
        key = store.access.create("shop", "admin").text
        here.serve(address="0.0.0.0", ADVISOR_RUNS_CALIBRATIONS="false")
        description = here.http.get("/openapi.json").json()
        operations = {
            operation["operationId"]: (method.upper(), path, operation.get("x-needs-scope"))
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
        }
        ids = {"name": "softmax", "sample": "ml-100k", **_stored(store), **_sent(here, key)}
        yield Shop(here.http, store, operations, ids)
        store.close()


def _stored(store: Store) -> dict[str, str]:
    """What a calibration leaves, marked; returns its ids."""
    device = LAPTOP.model_copy(update={"id": "shops-laptop", "name": MARK})
    candidate = a_candidate(MARK)
    task = Task.model_validate(DESCRIPTION | {"name": MARK})
    calibration_id = store.calibrations.create(task, 60, "cpu", "shop").id
    store.evidence.save_device(device)
    store.calibrations.start(calibration_id)
    store.calibrations.prepared(calibration_id, f"{MARK}-data", device.id)
    store.calibrations.save_probe(calibration_id, a_probe(candidate))
    leg = a_leg(loss=MARK)
    store.calibrations.lease(calibration_id, leg)
    store.calibrations.tell(calibration_id, a_report(leg))
    known = {"task_fingerprint": MARK, "statistics": statistics(1000)}
    answer = a_recommendation(task=task, calibration_id=calibration_id, **known)
    answer = store.recommendations.save(answer, "shop")
    store.calibrations.finish(calibration_id, "succeeded", recommendation_id=answer.id)
    profile = a_profile(tenant="shop", task_name=MARK, device=device, task_fingerprint=MARK)
    (trial,) = store.calibrations.trials("shop", calibration_id).items
    return {
        "calibration_id": calibration_id,
        "trial_id": trial.id,
        "device_id": device.id,
        "recommendation_id": str(answer.id),
        "profile_id": str(store.evidence.save_profile(profile, calibration_id).id),
    }


def _sent(here: Site, key: str) -> dict[str, str]:
    """An upload, and a task that names it."""
    headers = {"Authorization": f"Bearer {key}"}
    content = (here.data_dir / "orders.csv").read_text().replace("user", f"user_of_{MARK}", 1)
    upload = here.http.post(
        "/v1/uploads", params={"name": f"{MARK}.csv"}, content=content, headers=headers
    ).json()
    columns = {"user": f"user_of_{MARK}"}
    data = {"path": f"upload:{upload['id']}", "columns": columns}
    kept = here.http.post("/v1/tasks", json={"task": {"name": MARK, "data": data}}, headers=headers)
    assert kept.status_code == 201, kept.text
    return {"upload_id": upload["id"], "task_id": kept.json()["id"]}


def test_every_operation_of_the_description_is_tried_here(shop: Shop) -> None:
    missing = set(shop.operations) - set(ASKS)
    assert not missing, f"not covered, add to ASKS what another tenant is answered: {missing}"
    assert set(ASKS) == set(shop.operations)


def test_no_key_and_no_wrong_key_lets_anyone_in(shop: Shop) -> None:
    revoked = shop.store.access.create("shop", "admin")
    shop.store.access.revoke(revoked.key.id)
    valid = shop.key()
    wrong = {
        "none": None,
        "empty": "sa_",
        "unknown": "sa_0123456789abcdef_" + "x" * 43,
        "another secret": valid[:-4] + ("AAAA" if valid[-4:] != "AAAA" else "BBBB"),
        "expired": shop.key(expires_at=now() - timedelta(seconds=1)),
        "revoked": revoked.text,
    }
    for name in ASKS:
        for why, key in wrong.items():
            answer = shop.ask(name, key)
            expected = (200, 401) if name in OPEN else (401,)
            assert answer.status_code in expected, (name, why, answer.text)
            _check_unmarked(shop, answer, name)


def test_too_small_a_scope_allows_nothing_more(shop: Shop) -> None:
    tried = 0
    for name, (_, _, needed) in shop.operations.items():
        smaller = SCOPES[: SCOPES.index(needed)] if needed in SCOPES else ()
        for scope in smaller:
            answer = shop.ask(name, shop.key(scope=scope))
            assert answer.status_code == 403, (name, scope, answer.text)
            assert answer.json()["type"].endswith(":scope-missing")
            _check_unmarked(shop, answer, name)
            tried += 1
    assert tried >= 8


def test_another_tenant_sees_and_changes_nothing(shop: Shop) -> None:
    before = _everything(shop)
    key = shop.key(tenant="bank")
    for name, ask in ASKS.items():
        answer = shop.ask(name, key)
        assert answer.status_code == ask.other, (name, answer.text)
        _check_unmarked(shop, answer, name)
    assert _everything(shop) == before


def test_nor_does_whoever_uses_the_service_of_this_machine_without_a_key(shop: Shop) -> None:
    key = shop.key(tenant="local")
    for name, ask in ASKS.items():
        answer = shop.ask(name, key)
        assert answer.status_code == ask.other, (name, answer.text)
        _check_unmarked(shop, answer, name)


def test_what_a_worker_trains_is_told_to_whose_it_is(shop: Shop) -> None:
    calibration_id = shop.ids["calibration_id"]
    shop.store.workers.beat("host-gpu9", None, "gpu", calibration_id)
    assert calibration_id in shop.ask("list_workers", shop.key()).text
    others = shop.ask("list_workers", shop.key(tenant="bank"))
    assert calibration_id not in others.text
    assert [w["is_busy"] for w in others.json()["items"] if w["id"] == "host-gpu9"] == [True]


def test_an_answer_rests_on_own_and_shared_profiles_only(shop: Shop) -> None:
    def ids_of(tenant: str) -> set[str]:
        headers = {"Authorization": f"Bearer {shop.key(tenant=tenant)}"}
        answer = shop.http.post("/v1/recommendations", json={"task": DESCRIPTION}, headers=headers)
        assert answer.status_code == 201, answer.text
        assert tenant == "shop" or MARK not in answer.text
        used = {id_ for ranked in answer.json()["ranking"] for id_ in ranked["profile_ids"]}
        return {id_ for id_ in used if not id_.startswith("shipped-")}

    task = Task.model_validate(DESCRIPTION)
    assert task.statistics is not None
    known = candidates(task, task.statistics)["softmax"]

    def saved(name: str, *, is_shared: bool) -> set[str]:
        of_task = {"tenant": "shop", "task_name": name, "task_fingerprint": name}
        profiles = (a_profile(candidate=c, shared=is_shared, **of_task) for c in known)
        return {str(shop.store.evidence.save_profile(p, None).id) for p in profiles}

    own, shared = saved(f"{MARK} 2", is_shared=False), saved("shared", is_shared=True)
    assert ids_of("shop") & own
    assert ids_of("shop") & shared
    assert ids_of("bank")
    assert ids_of("bank") <= shared
    for id_ in shared:
        shop.store.evidence.share("shop", id_, shared=False)
    assert ids_of("bank") == set()


def test_a_path_names_files_of_its_own_tenant_only(shop: Shop, tmp_path: Path) -> None:
    def status(tenant: str, path: str) -> int:
        headers = {"Authorization": f"Bearer {shop.key(tenant=tenant)}"}
        task = {"name": "own", "data": {"path": path}, "kind": "interactions"}
        return shop.http.post("/v1/tasks", json={"task": task}, headers=headers).status_code

    assert status("local", "orders.csv") == 201
    assert status("shop", "orders.csv") == 422
    assert status("local", "tenants/shop/orders.csv") == 422
    assert status("shop", "../../orders.csv") == 422
    assert status("shop", "../bank/orders.csv") == 422


def test_its_owner_is_answered_with_what_the_others_do_not_see(shop: Shop) -> None:
    """Otherwise the tests above would find nothing, whatever leaked."""
    key = shop.key()
    for name, ask in ASKS.items():
        if name == "create_calibration":  # it would be run
            continue
        answer = shop.ask(name, key)
        assert answer.is_success or answer.status_code == ask.own, (name, answer.text)
        assert (MARK in answer.text) == ask.is_shops, (name, answer.text)


def _check_unmarked(shop: Shop, answer: httpx.Response, name: str) -> None:
    """Nothing of "shop" is in there but what was asked with."""
    asked = f"{answer.request.url} {ASKS[name].json}"
    sent = [id_ for key, id_ in shop.ids.items() if id_ in asked or "{" + key + "}" in asked]
    told = answer.text + str(answer.headers)
    found = {MARK, *shop.ids.values()} - {*sent, shop.ids["name"], shop.ids["sample"]}
    assert not [text for text in found if text in told], (name, told)


def _everything(shop: Shop) -> list[Any]:
    key = {"Authorization": f"Bearer {shop.key()}"}
    lists = ("calibrations", "trials", "profiles", "recommendations", "tasks", "uploads")
    return [shop.http.get(f"/v1/{name}", headers=key).json() for name in lists]
