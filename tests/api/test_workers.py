"""Several processes on one PostgreSQL: the server queues, workers run, dead ones are rescued."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.app import impatient_url
from api.settings import Settings
from tests.api.in_process import Client
from tests.api.servers import Site, eventually, site
from tests.databases import postgresql_database
from tests.small_data import THREE
from tests.store.examples import LAPTOP, a_leg, a_report, prepared_calibration
from tests.store.test_offers import PREPARED

pytestmark = pytest.mark.slow


@pytest.fixture
def lonely(postgresql: sa.URL, tmp_path: Path) -> Iterator[Site]:
    """A server that only queues, for a test that it does not outlive."""
    with postgresql_database(postgresql) as url, site(url, tmp_path) as found:
        found.serve(ADVISOR_RUNS_CALIBRATIONS="false", ADVISOR_DEAD_AFTER_SECONDS="4")
        yield found


def test_a_frozen_worker_that_comes_back_writes_nothing_more(queueing: Site) -> None:
    first = queueing.worker("cpu0")
    calibration_id = queueing.calibrate(losses=THREE)
    queueing.told(calibration_id, at_least=3)
    first.process.send_signal(signal.SIGSTOP)
    second = queueing.worker("cpu1")
    n_told = len(queueing.legs())
    eventually(lambda: len(queueing.legs()) > n_told + 2)
    first.process.send_signal(signal.SIGCONT)
    ended = queueing.ended(calibration_id)
    assert ended["status"] == "succeeded", ended
    eventually(lambda: "another worker has taken it over" in first.log.read_text())
    assert "failed" not in second.log.read_text()
    # At most the leg that was frozen, and perhaps one that it had begun, was leased twice.
    trials = queueing.trials(calibration_id)
    n_attempts = sum(trial["attempts"] for trial in trials)
    assert n_attempts - sum(trial["legs_told"] for trial in trials) <= 1


def test_a_frozen_process_holds_no_lock_for_long(queueing: Site) -> None:
    settings = Settings(
        data_dir=queueing.data_dir,
        database_url=queueing.database_url,
        dead_after_seconds=4,
    )
    engine = sa.create_engine(impatient_url(settings))
    with engine.connect() as connection:
        shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
        assert shown.scalar_one() == "2s"
    engine.dispose()


def test_a_calibration_waits_for_a_worker_with_its_tag(queueing: Site) -> None:
    queueing.worker("cpu0", tag="cpu")
    body = {
        "task": queueing.task(losses={"include": ["bpr"]}),
        "budget_seconds": 3,
        "device_tag": "h100",
    }
    waiting = queueing.http.post("/v1/calibrations", json=body).json()
    other = queueing.calibrate(3, losses={"include": ["bpr"]})
    assert queueing.ended(other)["status"] == "succeeded"
    assert queueing.calibration(waiting["id"])["status"] == "queued"
    queueing.worker("gpu0", tag="h100")
    assert queueing.ended(waiting["id"])["status"] == "succeeded"


def test_a_slot_is_served_by_one_process_only(queueing: Site) -> None:
    first = queueing.worker("cpu0")
    eventually(lambda: (queueing.data_dir / "workers" / "cpu0.lock").exists())
    second = queueing.work(ADVISOR_DEVICE_SLOT="cpu0")
    assert second.process.wait(timeout=60) != 0
    assert "another process serves the device slot 'cpu0'" in second.log.read_text()
    assert first.process.poll() is None


def test_a_database_that_drops_all_connections_is_waited_for(queueing: Site) -> None:
    queueing.worker("cpu0")
    untold = {"batch_size": 250}  # by the tests before
    calibration_id = queueing.calibrate(losses=THREE, training=untold)
    for n_told in (2, 5):
        queueing.told(calibration_id, at_least=n_told)
        queueing.drop_connections()
    ended = eventually(lambda: _ended(queueing, calibration_id))
    assert ended["status"] == "succeeded", ended
    eventually(lambda: queueing.http.get("/readyz").status_code == 200)


def _ended(site: Site, calibration_id: str) -> dict[str, Any] | None:
    answer = site.http.get(f"/v1/calibrations/{calibration_id}")
    if answer.status_code == 503 or answer.json()["status"] in ("queued", "running"):
        return None
    return answer.json()


def test_with_a_frozen_database_a_server_says_so_and_still_ends(lonely: Site) -> None:
    server = lonely.programs[0]
    with lonely.frozen_database():
        answer = lonely.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the database does not answer within 5 s"
        assert lonely.http.get("/healthz").status_code == 200
        server.process.terminate()
        server.process.wait(timeout=10)


def test_without_its_database_a_server_lives_but_is_not_ready(lonely: Site) -> None:
    with lonely.without_database():
        answer = lonely.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the database does not answer"
        assert lonely.http.get("/v1/devices").status_code == 503
        with_key = {"X-API-Key": f"sa_{'0' * 16}_{'x' * 43}"}
        unchecked = lonely.http.get("/v1/devices", headers=with_key)
        assert unchecked.status_code == 503
        assert unchecked.headers["content-type"] == "application/problem+json"
        assert lonely.http.get("/healthz").status_code == 200
        assert lonely.programs[0].terminate() < 10


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
