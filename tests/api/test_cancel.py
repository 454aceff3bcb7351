"""Cancel: a calibration that runs answers with the best so far, a queued one never runs."""

import time

import pytest

from tests.api.servers import Site, eventually
from tests.small_data import THREE

pytestmark = pytest.mark.slow
LONG = {"epochs": 60}  # not over before it is cancelled


def test_a_running_calibration_answers_with_the_best_so_far(served: Site) -> None:
    calibration_id = served.calibrate(60, losses=THREE, horizon=LONG)
    served.told(calibration_id, at_least=2)
    asked_at = time.monotonic()
    answer = served.http.post(f"/v1/calibrations/{calibration_id}:cancel")
    assert answer.status_code == 200
    assert answer.json()["cancel_requested"]
    ended = served.ended(calibration_id)
    assert time.monotonic() - asked_at < 10
    assert ended["status"] == "cancelled"
    best = served.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
    assert best["evidence_level"] == "measured"
    # A second time it is returned as it ended.
    again = served.http.post(f"/v1/calibrations/{calibration_id}:cancel")
    assert again.status_code == 200
    assert again.json() == ended


def test_a_queued_calibration_is_answered_at_once_and_never_runs(served: Site) -> None:
    running = served.calibrate(60, metric="recall@10", losses=THREE, horizon=LONG)
    eventually(lambda: served.calibration(running)["status"] == "running")
    queued = served.calibrate(60, metric="mrr")
    answer = served.http.post(f"/v1/calibrations/{queued}:cancel").json()
    assert answer["status"] == "cancelled"
    best = served.http.get(f"/v1/recommendations/{answer['recommendation_id']}").json()
    assert best["evidence_level"] == "prior"
    assert best["calibration_id"] == queued
    served.http.post(f"/v1/calibrations/{running}:cancel")
    assert served.ended(running)["status"] == "cancelled"
    # The engine has its turn with it: one that comes later has ended, and it is as it was.
    later = served.calibrate(3, metric="recall@5", losses={"include": ["bpr"]})
    assert served.ended(later)["status"] == "succeeded"
    assert served.calibration(queued) == answer
    assert answer["started_at"] is None
    assert served.trials(queued) == []
    wanted = {"status": "cancelled"}
    listed = served.http.get("/v1/calibrations", params=wanted).json()["items"]
    assert [found["id"] for found in listed][:2] == [queued, running]
