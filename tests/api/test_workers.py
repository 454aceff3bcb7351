"""Several processes on one PostgreSQL: the server queues, workers run, dead ones are rescued."""

import signal
from typing import Any

import pytest
import sqlalchemy as sa

from api.app import impatient_url
from api.settings import Settings
from tests.api.in_process import Client
from tests.api.servers import Site, eventually
from tests.small_data import THREE
from tests.store.examples import LAPTOP, a_leg, a_report, prepared_calibration
from tests.store.test_offers import PREPARED

pytestmark = pytest.mark.slow


def test_another_worker_goes_on_with_what_a_dead_one_left(shared_site: Site) -> None:
    first = shared_site.worker("cpu0")
    calibration_id = shared_site.calibrate(losses=THREE)
    shared_site.told(calibration_id, at_least=3)
    first.kill()
    told_before = {i: leg for i, leg in shared_site.legs().items() if leg["status"] == "told"}
    second = shared_site.worker("cpu1")
    ended = shared_site.ended(calibration_id)
    assert ended["status"] == "succeeded", ended
    legs = shared_site.legs()
    assert len(legs) > len(told_before)
    assert {i: legs[i] for i in told_before} == told_before
    assert second.terminate() < 10


def test_a_frozen_worker_that_comes_back_writes_nothing_more(shared_site: Site) -> None:
    first = shared_site.worker("cpu0")
    calibration_id = shared_site.calibrate(losses=THREE)
    shared_site.told(calibration_id, at_least=3)
    first.process.send_signal(signal.SIGSTOP)
    second = shared_site.worker("cpu1")
    n_told = len(shared_site.legs())
    eventually(lambda: len(shared_site.legs()) > n_told + 2)
    first.process.send_signal(signal.SIGCONT)
    ended = shared_site.ended(calibration_id)
    assert ended["status"] == "succeeded", ended
    eventually(lambda: "another worker has taken it over" in first.log.read_text())
    assert "failed" not in second.log.read_text()
    # At most the leg that was frozen, and perhaps one that it had begun, was leased twice.
    trials = shared_site.trials(calibration_id)
    n_attempts = sum(trial["attempts"] for trial in trials)
    assert n_attempts - sum(trial["legs_told"] for trial in trials) <= 1


def test_a_frozen_process_holds_no_lock_for_long(shared_site: Site) -> None:
    settings = Settings(
        data_dir=shared_site.data_dir,
        database_url=shared_site.database_url,
        dead_after_seconds=4,
    )
    engine = sa.create_engine(impatient_url(settings))
    with engine.connect() as connection:
        shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
        assert shown.scalar_one() == "2s"
    engine.dispose()


def test_a_calibration_waits_for_a_worker_with_its_tag(shared_site: Site) -> None:
    shared_site.worker("cpu0", tag="cpu")
    body = {
        "task": shared_site.task(losses={"include": ["bpr"]}),
        "budget_seconds": 3,
        "device_tag": "h100",
    }
    waiting = shared_site.http.post("/v1/calibrations", json=body).json()
    other = shared_site.calibrate(3, losses={"include": ["bpr"]})
    assert shared_site.ended(other)["status"] == "succeeded"
    assert shared_site.calibration(waiting["id"])["status"] == "queued"
    shared_site.worker("gpu0", tag="h100")
    assert shared_site.ended(waiting["id"])["status"] == "succeeded"


def test_a_slot_is_served_by_one_process_only(shared_site: Site) -> None:
    first = shared_site.worker("cpu0")
    eventually(lambda: (shared_site.data_dir / "workers" / "cpu0.lock").exists())
    second = shared_site.worker("cpu0")
    assert second.process.wait(timeout=60) != 0
    assert "another process serves the device slot 'cpu0'" in second.log.read_text()
    assert first.process.poll() is None


def test_a_database_that_drops_all_connections_is_waited_for(shared_site: Site) -> None:
    shared_site.worker("cpu0")
    calibration_id = shared_site.calibrate(losses=THREE)
    for n_told in (2, 5):
        shared_site.told(calibration_id, at_least=n_told)
        shared_site.drop_connections()
    ended = eventually(lambda: _ended(shared_site, calibration_id))
    assert ended["status"] == "succeeded", ended
    eventually(lambda: shared_site.http.get("/readyz").status_code == 200)


def _ended(site: Site, calibration_id: str) -> dict[str, Any] | None:
    answer = site.http.get(f"/v1/calibrations/{calibration_id}")
    if answer.status_code == 503 or answer.json()["status"] in ("queued", "running"):
        return None
    return answer.json()


def test_with_a_frozen_database_a_server_says_so_and_still_ends(shared_site: Site) -> None:
    server = shared_site.programs[0]
    with shared_site.frozen_database():
        answer = shared_site.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the database does not answer within 5 s"
        assert shared_site.http.get("/healthz").status_code == 200
        server.process.terminate()
        server.process.wait(timeout=10)


def test_without_its_database_a_server_lives_but_is_not_ready(shared_site: Site) -> None:
    with shared_site.without_database():
        answer = shared_site.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the database does not answer"
        assert shared_site.http.get("/v1/devices").status_code == 503
        with_key = {"X-API-Key": f"sa_{'0' * 16}_{'x' * 43}"}
        unchecked = shared_site.http.get("/v1/devices", headers=with_key)
        assert unchecked.status_code == 503
        assert unchecked.headers["content-type"] == "application/problem+json"
        assert shared_site.http.get("/healthz").status_code == 200
        assert shared_site.programs[0].terminate() < 10


def test_workers_are_listed_with_what_they_train_for_whoever_asks(http: Client) -> None:
    store = http.service.store
    running = prepared_calibration(store)
    foreign = prepared_calibration(store, "acme", "other-data")
    store.workers.beat("host-a", LAPTOP.id, "cpu", running, "cpu0")
    store.workers.beat("host-b", LAPTOP.id, "h100", foreign, "gpu0")
    store.workers.beat("host-c", None, "cpu")
    leg = a_leg()
    store.calibrations.lease(running, leg)
    own, others, idle = http.get("/v1/workers").json()["items"]
    assert (own["id"], own["tag"], own["device_slot"]) == ("host-a", "cpu", "cpu0")
    assert own["calibration_id"] == running
    assert own["leg"]["until_examples"] == leg.until_examples
    assert own["leg"]["loss"] == "softmax"
    assert 0 <= own["silent_seconds"] < 60
    assert (others["is_busy"], others["calibration_id"], others["leg"]) == (True, None, None)
    assert (idle["is_busy"], idle["calibration_id"], idle["device_slot"]) == (False, None, None)
    store.calibrations.tell(running, a_report(leg))
    assert http.get("/v1/workers").json()["items"][0]["leg"] is None


def test_a_helper_is_listed_with_its_own_leg_and_only_to_whose_it_is(http: Client) -> None:
    store = http.service.store
    running = prepared_calibration(store)
    store.workers.beat("host-a", LAPTOP.id, "cpu", running, "cpu0", crew="us")
    store.workers.beat("host-b", LAPTOP.id, "cpu", None, "cpu1", crew="us")
    store.calibrations.lease(running, a_leg(loss="softmax"))
    store.offers.make(running, "us", PREPARED, a_leg(loss="bpr"), seconds_left=60)
    assert not http.get("/v1/workers").json()["items"][1]["is_busy"]
    offer = store.offers.take("host-b", "us")
    assert offer is not None
    runner, helper = http.get("/v1/workers").json()["items"]
    assert (runner["calibration_id"], helper["calibration_id"]) == (running, running)
    assert (runner["leg"]["loss"], helper["leg"]["loss"]) == ("softmax", "bpr")
    (_, foreign) = store.workers.states("acme")
    assert (foreign.is_busy, foreign.calibration_id, foreign.leg) == (True, None, None)
    store.offers.tell(offer, "host-b", a_report(offer.leg))
    runner, idle = http.get("/v1/workers").json()["items"]
    assert (runner["leg"]["loss"], idle["is_busy"], idle["leg"]) == ("softmax", False, None)
