"""Outcomes: what full training gave becomes a profile that later answers rest on; no bad one."""

import time
from pathlib import Path
from typing import Any

import pytest

from advisor.evidence import CurvePoint, Profile
from advisor.task import TaskStatistics
from tests.api.in_process import Client
from tests.small_data import write_interactions
from tests.store.examples import LAPTOP, TASK, a_candidate, a_leg, a_profile, a_report

NUMBERS = {"n_rows": 900, "n_classes": 1000, "n_examples": 90_000}
DESCRIPTION = {
    "name": "planned",
    "kind": "description",
    "statistics": NUMBERS,
    "losses": {"include": ["bpr", "rg2", "softmax"]},
    "horizon": {"epochs": 10},
}


@pytest.fixture(autouse=True)
def _orders(tmp_path: Path) -> None:
    write_interactions(tmp_path / "orders.csv")


@pytest.fixture
def shop() -> dict[str, Any]:
    return {**DESCRIPTION, "name": "shop", "kind": "interactions", "statistics": None} | {
        "data": {"path": "orders.csv"}
    }


def _answer(http: Client, task: dict[str, Any]) -> dict[str, Any]:
    answer = http.post("/v1/recommendations", json={"task": task})
    assert answer.status_code == 201, answer.text
    return answer.json()


def _tell(http: Client, answer: dict[str, Any], **told: Any) -> dict[str, Any]:
    body = {"value": 0.4, "epochs": 10, "train_seconds": 60.0, **told}
    answered = http.post(f"/v1/recommendations/{answer['id']}/outcome", json=body)
    assert answered.status_code == 201, answered.text
    return answered.json()


def test_an_outcome_becomes_a_profile_and_the_next_answer_of_the_task_rests_on_it(
    http: Client, shop: dict[str, Any]
) -> None:
    first = _answer(http, shop)
    assert first["evidence_level"] == "prior"
    told = _tell(http, first, value=0.41)
    profile = http.get(f"/v1/profiles/{told['profile_id']}").json()
    assert profile["source"] == "outcome"
    assert profile["candidate"]["loss"] == first["loss"]
    assert profile["final_examples"] == 10 * first["statistics"]["n_examples"]
    assert profile["curve"] == [{"examples": profile["final_examples"], "value": 0.41}]
    later = _answer(http, shop)
    assert later["evidence_level"] == "measured"
    assert (later["loss"], later["settings"]) == (first["loss"], first["settings"])
    assert told["profile_id"] in later["ranking"][0]["profile_ids"]
    assert later["ranking"][0]["predicted_metric"]["mean"] == pytest.approx(0.41, abs=0.02)


def test_an_outcome_changes_the_answer_of_a_similar_task(http: Client) -> None:
    first = _answer(http, DESCRIPTION)
    before = {entry["loss"]: entry["predicted_metric"]["mean"] for entry in first["ranking"]}
    _tell(http, first, loss="bpr", value=0.5)
    similar = {**DESCRIPTION, "statistics": {**NUMBERS, "n_classes": 1100}}
    later = _answer(http, similar)
    assert later["evidence_level"] == "prior"
    ranked = {entry["loss"]: entry for entry in later["ranking"]}
    after = ranked["bpr"]["predicted_metric"]["mean"]
    assert abs(after - 0.5) < 0.5 * abs(before["bpr"] - 0.5)


def test_what_is_told_again_takes_the_place_of_what_was_told(http: Client) -> None:
    answer = _answer(http, DESCRIPTION)
    wrong = _tell(http, answer, value=0.9)
    right = _tell(http, answer, value=0.3, epochs=None, examples=500_000)
    second = answer["ranking"][1]["loss"]
    other = _tell(http, answer, loss=second, value=0.2)
    assert right["profile_id"] == wrong["profile_id"]
    listed = http.get(f"/v1/recommendations/{answer['id']}/outcome").json()["items"]
    assert [told["id"] for told in listed] == [other["id"], right["id"]]
    profile = http.get(f"/v1/profiles/{right['profile_id']}").json()
    assert profile["curve"] == [{"examples": 500_000, "value": 0.3}]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"value": 0.3}, "give epochs or examples"),
        ({"value": 0.3, "epochs": 1, "examples": 5}, "give epochs or examples"),
        ({"epochs": 1}, "value is missing"),
        ({"epochs": 1, "value": 1.5}, "ndcg@10 is between 0 and 1, and 1.5 was given"),
        ({"epochs": 1, "value": 0.3, "loss": "hinge"}, "it has"),
        ({"epochs": 1, "value": 0.3, "settings": {"colour": 1}}, "no setting 'colour'"),
        ({"epochs": 1, "value": 0.3, "device": "abacus"}, "'abacus'"),
        ({"epochs": 0, "value": 0.3}, "greater than 0"),
    ],
)
def test_an_outcome_that_cannot_be_of_the_answer_is_refused(
    lone: Client, told: dict[str, Any], sentence: str
) -> None:
    answer = _answer(lone, DESCRIPTION)
    refused = lone.post(f"/v1/recommendations/{answer['id']}/outcome", json=told)
    assert refused.status_code == 422, refused.text
    assert sentence in refused.json()["detail"]
    assert lone.get("/v1/profiles").json()["items"] == []


def test_a_training_that_diverged_needs_no_value(lone: Client) -> None:
    answer = _answer(lone, DESCRIPTION)
    told = _tell(lone, answer, outcome="diverged", value=None, epochs=0.5)
    profile = lone.get(f"/v1/profiles/{told['profile_id']}").json()
    assert (profile["outcome"], profile["curve"]) == ("diverged", [])


def test_a_bad_profile_is_left_out_of_every_answer_until_that_is_taken_back(
    http: Client, shop: dict[str, Any]
) -> None:
    told = _tell(http, _answer(http, shop), loss="rg2")
    path = f"/v1/profiles/{told['profile_id']}"
    assert http.patch(path, json={"bad": True}).json()["bad"] is True
    assert _answer(http, shop)["evidence_level"] == "prior"
    assert http.get("/v1/profiles?bad=false").json()["items"] == []
    assert len(http.get("/v1/profiles?bad=true").json()["items"]) == 1
    http.patch(path, json={"bad": False})
    assert _answer(http, shop)["evidence_level"] == "measured"
    assert http.delete(path).status_code == 204
    assert http.get(path).status_code == 404
    assert _answer(http, shop)["evidence_level"] == "prior"


def test_a_profile_of_another_tenant_is_neither_marked_nor_deleted(http: Client) -> None:
    shared = http.service.store.evidence.save_profile(a_profile(tenant="acme", shared=True), None)
    path = f"/v1/profiles/{shared.id}"
    assert http.patch(path, json={"bad": True}).status_code == 404
    assert http.delete(path).status_code == 404
    assert http.service.store.evidence.profile("acme", str(shared.id)) == shared


def test_the_legs_of_a_discarded_profile_are_not_gone_on_from(http: Client) -> None:
    store = http.service.store
    store.evidence.save_device(LAPTOP)
    started = store.calibrations.create(TASK, 60, "cpu", "local").id
    store.calibrations.start(started)
    store.calibrations.prepared(started, "shop-data", LAPTOP.id)
    for loss in ("softmax", "bpr"):
        store.calibrations.tell(started, a_report(a_leg(loss=loss)))
    key = ("local", "shop-data", LAPTOP.id)
    saved = [
        store.evidence.save_profile(a_profile(candidate=a_candidate(loss)), started)
        for loss in ("softmax", "bpr")
    ]
    http.patch(f"/v1/profiles/{saved[0].id}", json={"bad": True})
    http.delete(f"/v1/profiles/{saved[1].id}")
    assert store.calibrations.told(*key) == []
    http.patch(f"/v1/profiles/{saved[0].id}", json={"bad": False})
    assert [r.leg.trial.candidate.loss for r in store.calibrations.told(*key)] == ["softmax"]
    # What is told from now on counts, in a calibration that began after the mark.
    again = store.calibrations.create(TASK, 60, "cpu", "local").id
    store.calibrations.start(again)
    store.calibrations.prepared(again, "shop-data", LAPTOP.id)
    store.calibrations.tell(again, a_report(a_leg(loss="bpr")))
    assert {r.leg.trial.candidate.loss for r in store.calibrations.told(*key)} == {"softmax", "bpr"}
    anew = a_profile(candidate=a_candidate("bpr"))
    assert not store.evidence.save_profile(anew, again).bad
    assert store.evidence.save_profile(anew, started).bad, "it may rest on what was discarded"


def test_a_measured_curve_goes_on_to_what_was_told(http: Client, shop: dict[str, Any]) -> None:
    answer = _answer(http, shop)
    settings = next(e["settings"] for e in answer["ranking"] if e["loss"] == "softmax")
    measured = _measured(answer, loss="softmax", settings=settings, device=_here(http))
    http.service.store.evidence.save_profile(measured, None)
    told = _tell(http, answer, loss="softmax", value=0.35)
    ranked = {entry["loss"]: entry for entry in _answer(http, shop)["ranking"]}
    curve = ranked["softmax"]["measured"]
    assert len(curve) == 3
    assert curve[-1]["mean"] == pytest.approx(0.35, abs=0.01)
    assert ranked["softmax"]["profile_ids"] == [told["profile_id"]]


def test_stale_evidence_is_called_so(lone: Client, shop: dict[str, Any]) -> None:
    answer = _answer(lone, shop)
    here = _here(lone)
    software = {**here.software, "torch": "1.0.0"}
    for loss, device in (
        ("softmax", here.model_copy(update={"id": "old", "software": software})),
        ("bpr", here.model_copy(update={"id": "other", "name": "an abacus"})),
    ):
        settings = next(e["settings"] for e in answer["ranking"] if e["loss"] == loss)
        profile = _measured(answer, loss=loss, settings=settings, device=device)
        lone.service.store.evidence.save_profile(profile, None)
    stale = [w for w in _answer(lone, shop)["warnings"] if "stale" in w]
    assert len(stale) == 2
    assert f"torch 1.0.0, here {here.software['torch']}" in "".join(stale)
    assert "an abacus" in "".join(stale)


def test_another_horizon_is_answered_within_100_ms_and_not_kept(
    http: Client, shop: dict[str, Any]
) -> None:
    answer = _answer(http, shop)
    for loss in ("softmax", "bpr", "rg2"):
        _tell(http, answer, loss=loss, value=0.3)
    answer = _answer(http, shop)
    body = {"recommendation_id": answer["id"], "horizon": {"epochs": 2}, "trade": {"speed": 0.1}}
    seconds: list[float] = []
    for _ in range(5):
        started = time.process_time()
        again = http.post("/v1/recommendations:preview", json=body)
        seconds.append(time.process_time() - started)
    assert again.status_code == 200, again.text
    found = again.json()
    assert found["id"] is None
    assert found["task"]["horizon"] == {"epochs": 2.0, "seconds": None}
    assert found["task"]["data"] == answer["task"]["data"]
    assert found["evidence_level"] == "measured"
    assert sorted(seconds)[2] <= 0.1
    lines = http.get("/v1/recommendations").json()["items"]
    assert [line["id"] for line in lines][:1] == [answer["id"]]
    assert http.get("/v1/recommendations?loss=hinge").json()["items"] == []
    missing = http.post("/v1/recommendations:preview", json={"recommendation_id": "none"})
    assert missing.status_code == 404


def _here(http: Client) -> Any:
    return http.service.workspace.device


def _measured(answer: dict[str, Any], *, loss: str, settings: Any, device: Any) -> Profile:
    """A curve to the second of ten epochs."""
    n = answer["statistics"]["n_examples"]
    return a_profile(
        task_fingerprint=answer["task_fingerprint"],
        statistics=TaskStatistics.model_validate(answer["statistics"]),
        candidate=a_candidate(loss, **settings),
        device=device,
        final_examples=2 * n,
        curve=(CurvePoint(examples=n, value=0.2), CurvePoint(examples=2 * n, value=0.3)),
    )
