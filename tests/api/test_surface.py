"""The fixed surface: what each operation answers, and that its description says the same."""

import json
import subprocess
import sys
from typing import Any

import pytest

from advisor.catalogue import catalogue
from advisor.recommendation import Recommendation
from advisor.task import METRICS
from tests.api.servers import Site
from tests.small_data import at_one_setting

OPERATIONS = {
    ("post", "/v1/recommendations"): "create_recommendation",
    ("get", "/v1/recommendations"): "list_recommendations",
    ("get", "/v1/recommendations/{recommendation_id}"): "get_recommendation",
    ("get", "/v1/recommendations/{recommendation_id}/report"): "get_report",
    ("post", "/v1/recommendations:preview"): "preview_recommendation",
    ("post", "/v1/recommendations/{recommendation_id}/outcome"): "create_outcome",
    ("get", "/v1/recommendations/{recommendation_id}/outcome"): "list_outcomes",
    ("post", "/v1/calibrations"): "create_calibration",
    ("post", "/v1/calibrations:plan"): "plan_calibration",
    ("get", "/v1/calibrations"): "list_calibrations",
    ("get", "/v1/calibrations/{calibration_id}"): "get_calibration",
    ("post", "/v1/calibrations/{calibration_id}:cancel"): "cancel_calibration",
    ("get", "/v1/calibrations/{calibration_id}/events"): "stream_events",
    ("post", "/v1/calibrations/{calibration_id}/trials:ask"): "ask_trial",
    ("post", "/v1/trials/{trial_id}:tell"): "tell_trial",
    ("get", "/v1/trials"): "list_trials",
    ("get", "/v1/trials/{trial_id}"): "get_trial",
    ("get", "/v1/trials/{trial_id}/measurements"): "list_measurements",
    ("get", "/v1/profiles"): "list_profiles",
    ("get", "/v1/profiles:shipped"): "list_shipped_profiles",
    ("get", "/v1/profiles/{profile_id}"): "get_profile",
    ("post", "/v1/profiles/{profile_id}:share"): "share_profile",
    ("post", "/v1/profiles/{profile_id}:unshare"): "unshare_profile",
    ("patch", "/v1/profiles/{profile_id}"): "mark_profile",
    ("delete", "/v1/profiles/{profile_id}"): "delete_profile",
    ("post", "/v1/tasks"): "create_task",
    ("get", "/v1/tasks"): "list_tasks",
    ("get", "/v1/tasks/{task_id}"): "get_task",
    ("delete", "/v1/tasks/{task_id}"): "delete_task",
    ("get", "/v1/tasks/{task_id}/summary"): "get_task_summary",
    ("post", "/v1/uploads"): "create_upload",
    ("get", "/v1/uploads"): "list_uploads",
    ("get", "/v1/uploads/{upload_id}"): "get_upload",
    ("delete", "/v1/uploads/{upload_id}"): "delete_upload",
    ("get", "/v1/uploads/{upload_id}/preview"): "preview_upload",
    ("get", "/v1/losses"): "list_losses",
    ("get", "/v1/losses/{name}"): "get_loss",
    ("get", "/v1/losses/{name}/source"): "get_loss_source",
    ("get", "/v1/devices"): "list_devices",
    ("get", "/v1/devices/{device_id}"): "get_device",
    ("get", "/v1/workers"): "list_workers",
    ("get", "/v1/samples"): "list_samples",
    ("get", "/metrics"): "get_metrics",
    ("get", "/v1/samples/{sample}"): "get_sample",
    ("get", "/healthz"): "healthz",
    ("get", "/readyz"): "readyz",
}
# What no other test of this server calibrates.
OWN: dict[str, Any] = {"name": "surface", "training": {"batch_size": 200}}
STATISTICS = {"n_rows": 1000, "n_classes": 500, "n_examples": 20000, "class_gini": 0.6}


def test_the_description_has_every_operation_with_a_stable_id(served: Site) -> None:
    description = served.http.get("/openapi.json").json()
    found = {
        (method, path): operation["operationId"]
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert found == OPERATIONS


def test_the_description_gives_problems_their_schema_and_no_other(served: Site) -> None:
    description = served.http.get("/openapi.json").json()
    assert "Problem" in description["components"]["schemas"]
    for methods in description["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")):
                    (content,) = response["content"].values()
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    text = json.dumps(description)
    assert "HTTPValidationError" not in text


def test_the_service_is_alive_and_ready(served: Site) -> None:
    assert served.http.get("/healthz").json() == {"status": "ok"}
    assert served.http.get("/readyz").json() == {"status": "ok"}


def test_every_profile_that_an_answer_rests_on_can_be_looked_at(served: Site) -> None:
    body = served.http.post("/v1/recommendations", json={"task": served.task(**OWN)}).json()
    ids = {id_ for ranked in body["ranking"] for id_ in ranked["profile_ids"]}
    assert any(id_.startswith("shipped-") for id_ in ids)
    for id_ in sorted(ids)[:5]:
        assert served.http.get(f"/v1/profiles/{id_}").json()["id"] == id_


def test_a_recommendation_is_answered_at_once_and_kept(served: Site) -> None:
    answer = served.http.post("/v1/recommendations", json={"task": served.task(**OWN)})
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"/v1/recommendations/{body['id']}"
    assert body["evidence_level"] == "prior"
    assert body["task"]["data"]["path"] == "orders.csv"
    assert abs(sum(ranked["p_best"] for ranked in body["ranking"]) - 1) < 1e-6
    assert Recommendation.model_validate(body).loss in catalogue()
    assert served.http.get(answer.headers["location"]).json() == body


def test_a_description_is_answered_from_its_numbers(served: Site) -> None:
    task = served.task(kind="description", data=None, statistics=STATISTICS)
    answer = served.http.post("/v1/recommendations", json={"task": task})
    assert answer.status_code == 201, answer.text
    assert answer.json()["calibration_id"] is None


def test_the_losses_come_with_what_they_say_of_each_metric(served: Site) -> None:
    listing = served.http.get("/v1/losses").json()
    assert listing["next_page_token"] is None
    assert [loss["name"] for loss in listing["items"]] == list(catalogue())
    for loss in listing["items"]:
        assert served.http.get(f"/v1/losses/{loss['name']}").json() == loss
        assert {metric.split("@")[0] for metric in loss["consistency"]} == set(METRICS)
        assert all(claim["source"] for claim in loss["claims"])


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_the_source_of_a_loss_is_a_python_file(served: Site, name: str) -> None:
    answer = served.http.get(f"/v1/losses/{name}/source")
    assert answer.headers["content-type"] == "text/x-python; charset=utf-8"
    compile(answer.text, f"{name}.py", "exec")
    assert "import torch" in answer.text


def test_the_samples_come_with_size_and_licence(served: Site) -> None:
    found = {s["name"]: s for s in served.http.get("/v1/samples").json()["items"]}
    assert list(found) == ["ml-100k", "ml-100k-sequences", "geonames", "python-stdlib"]
    assert found["ml-100k"]["n_bytes"] > 0
    assert "research" in found["ml-100k"]["licence"]
    assert found["python-stdlib"]["n_bytes"] == 0


def test_what_a_calibration_left_can_be_listed_and_filtered(served: Site) -> None:
    calibration_id = served.calibrate(60, losses=at_one_setting("bpr", "softmax"), **OWN)
    ended = served.ended(calibration_id)
    assert ended["status"] == "succeeded", ended
    assert ended["spent_seconds"] <= 60 * 1.05 + 3
    answer = served.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
    _check_trials(served, calibration_id)
    _check_profiles(served, answer)
    devices = served.http.get("/v1/devices").json()["items"]
    assert answer["device_id"] in [device["id"] for device in devices]
    later = served.http.post("/v1/recommendations", json={"task": served.task(**OWN)}).json()
    assert later["evidence_level"] == "measured"


def _check_trials(served: Site, calibration_id: str) -> None:
    wanted: dict[str, Any] = {"calibration_id": calibration_id, "page_size": 2}
    seen: list[dict[str, Any]] = []
    while True:
        page = served.http.get("/v1/trials", params=wanted).json()
        seen += page["items"]
        if page["next_page_token"] is None:
            break
        wanted["page_token"] = page["next_page_token"]
    assert len({trial["id"] for trial in seen}) == len(seen) >= 2
    assert {trial["status"] for trial in seen} == {"ended"}
    for trial in seen:
        assert served.http.get(f"/v1/trials/{trial['id']}").json() == trial
        curve = served.http.get(f"/v1/trials/{trial['id']}/measurements").json()["items"]
        assert [p["examples"] for p in curve] == sorted(p["examples"] for p in curve)
        assert curve[-1]["examples"] == trial["examples"]
    only = served.http.get("/v1/trials", params={**wanted, "loss": "bpr", "page_token": None})
    assert {trial["loss"] for trial in only.json()["items"]} <= {"bpr"}


def _check_profiles(served: Site, answer: dict[str, Any]) -> None:
    wanted = {
        "loss": answer["loss"],
        "task": OWN["name"],
        "kind": "interactions",
        "device": answer["device_id"],
        "metric": "ndcg@10",
        "n_classes_min": 100,
        "n_classes_max": 300,
    }
    found = served.http.get("/v1/profiles", params=wanted).json()["items"]
    assert {profile["candidate"]["loss"] for profile in found} == {answer["loss"]}
    (own,) = [p for p in found if p["candidate"]["settings"] == answer["settings"]]
    # The answer rests on what was stored of it.
    assert answer["ranking"][0]["profile_ids"][0] == own["id"]
    assert served.http.get(f"/v1/profiles/{own['id']}").json() == own
    none = served.http.get("/v1/profiles", params={**wanted, "n_classes_min": 1000})
    assert none.json() == {"items": [], "next_page_token": None}


def test_a_second_calibration_goes_on_from_the_first(served: Site) -> None:
    task = {"losses": {"include": ["bpr"]}, "training": {"batch_size": 128}}
    first = served.ended(served.calibrate(3, **task))
    second = served.ended(served.calibrate(3, **task))
    assert first["status"] == second["status"] == "succeeded"
    legs = {}
    for calibration in (first, second):
        for trial in served.trials(calibration["id"]):
            for leg in served.legs_of(trial["id"]):
                key = (json.dumps(trial["settings"]), trial["seed"], leg["until_examples"])
                assert key not in legs, "a told leg was trained again"
                legs[key] = leg
    assert legs


def test_the_api_process_never_loads_torch(served: Site) -> None:
    # By now this server has answered and calibrated.
    program = served.programs[0]
    assert "libtorch" not in program.memory_maps()
    assert any("libtorch" in _maps(child.pid) for child in program.children())


def _maps(pid: int) -> str:
    with open(f"/proc/{pid}/maps") as file:
        return file.read()


def test_importing_the_service_loads_no_torch() -> None:
    code = "import api.app, sys; assert not {'torch', 'sklearn', 'polars'} & {*sys.modules}"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_the_stories_know_neither_the_engine_nor_http() -> None:
    code = (
        "import api.stories.calibrate, api.stories.recommend, sys;"
        "assert not {'dbos', 'fastapi', 'torch'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
