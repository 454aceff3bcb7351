"""Legs offered to other workers: taken once, told once, lost with their offer; both databases."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from advisor.calibration import Prepared
from advisor.evidence import Measurement
from store.engine import Store
from store.offers import Offer
from tests.store.examples import (
    LAPTOP,
    TASK,
    a_leg,
    a_report,
    prepared_calibration,
    statistics,
)

PREPARED = Prepared(
    task=TASK,
    task_fingerprint="shop-data",
    statistics=statistics(1000),
    device=LAPTOP,
    dataset_dir="/data/datasets/shop",
)
CREW = "cpu laptop folder"
POINT = Measurement(examples=50, seconds=0.5, value=0.25)


@pytest.fixture
def running(store: Store) -> str:
    return prepared_calibration(store)


def offered(store: Store, calibration_id: str, loss: str = "softmax", why: str = "") -> str:
    leg = a_leg(loss=loss)
    return store.offers.make(calibration_id, CREW, PREPARED, leg, seconds_left=60, why=why)


def taken(store: Store, worker: str = "helper") -> Offer:
    offer = store.offers.take(worker, CREW)
    assert offer is not None
    return offer


def said(store: Store, calibration_id: str) -> list[str]:
    return [e.event.kind for e in store.calibrations.events(calibration_id, 1)[0]]


def test_an_offer_is_taken_whole_and_its_leg_begins_then(store: Store, running: str) -> None:
    offered(store, running, why="it is the measure of all others")
    assert store.calibrations.trials("local", running).items == ()
    assert said(store, running) == []
    offer = taken(store)
    assert (offer.calibration_id, offer.tenant) == (running, "local")
    assert (offer.prepared, offer.leg) == (PREPARED, a_leg())
    assert 55 < offer.seconds_left <= 60
    (trial,) = store.calibrations.trials("local", running).items
    assert (trial.status, trial.attempts) == ("running", 1)
    ((begun,), _) = store.calibrations.events(running, 1)
    assert begun.event.kind == "leg_started"
    assert begun.event.why == "it is the measure of all others"


def test_what_is_told_is_told_once_and_the_offer_is_over(store: Store, running: str) -> None:
    offer_id = offered(store, running)
    offer = taken(store)
    store.offers.measured(offer, "helper", POINT)
    assert store.offers.tell(offer, "helper", a_report(offer.leg))
    assert store.offers.standing(offer_id, 30) == "gone"
    assert (
        store.offers.told(running, offer.leg)
        == store.calibrations.told("local", "shop-data", "laptop")[0]
    )
    assert said(store, running) == ["leg_started", "measurement", "measurement", "leg_ended"]
    assert not store.offers.tell(offer, "helper", a_report(offer.leg, 0.9))
    assert not store.offers.is_had(offer.id, "helper")
    store.calibrations.tell(running, a_report(offer.leg, 0.9))  # as the race's worker does
    (trial,) = store.calibrations.trials("local", running).items
    assert (trial.legs_told, trial.best_value) == (1, 0.25)


def test_only_its_crew_takes_an_offer_the_oldest_first(store: Store, running: str) -> None:
    offered(store, running, "softmax")
    offered(store, running, "bpr")
    assert store.offers.take("stranger", "cpu laptop elsewhere") is None
    assert taken(store, "a").leg.trial.candidate.loss == "softmax"
    assert taken(store, "b").leg.trial.candidate.loss == "bpr"
    assert store.offers.take("c", CREW) is None


def test_of_many_takers_one_has_the_leg(store: Store, running: str) -> None:
    offered(store, running)
    with ThreadPoolExecutor(8) as takers:
        found = list(takers.map(lambda n: store.offers.take(f"helper-{n}", CREW), range(8)))
    assert len([offer for offer in found if offer is not None]) == 1
    (trial,) = store.calibrations.trials("local", running).items
    assert trial.attempts == 1


def test_what_nobody_took_can_be_taken_back_and_is_no_attempt(store: Store, running: str) -> None:
    offer_id = offered(store, running)
    assert store.offers.standing(offer_id, 30) == "open"
    assert store.offers.take_back(running, offer_id)
    assert not store.offers.take_back(running, offer_id)
    assert store.offers.take("helper", CREW) is None
    assert store.calibrations.trials("local", running).items == ()


def test_what_was_taken_cannot_be_taken_back_but_withdrawn(store: Store, running: str) -> None:
    offer_id = offered(store, running)
    offer = taken(store)
    assert not store.offers.take_back(running, offer_id)
    assert store.offers.withdraw(running, offer_id)
    assert not store.offers.withdraw(running, offer_id)
    store.offers.measured(offer, "helper", POINT)
    assert not store.offers.tell(offer, "helper", a_report(offer.leg))
    assert store.offers.told(running, offer.leg) is None
    assert said(store, running) == ["leg_started"]


def test_a_worker_whose_heart_stops_is_silent_until_it_beats(store: Store, running: str) -> None:
    offer_id = offered(store, running)
    offer = taken(store)
    assert store.offers.is_had(offer.id, "helper")
    assert not store.offers.is_had(offer.id, "another")
    assert store.offers.standing(offer_id, 30) == "silent"
    store.workers.beat("helper", LAPTOP.id, "cpu")
    assert store.offers.standing(offer_id, 30) == "taken"
    time.sleep(0.1)
    assert store.offers.standing(offer_id, 0.05) == "silent"


def test_a_worker_that_starts_again_gives_back_what_it_had(store: Store, running: str) -> None:
    offered(store, running, "softmax")
    offered(store, running, "bpr")
    mine, others = taken(store, "mine"), taken(store, "others")
    store.offers.give_back("mine")
    assert store.offers.standing(mine.id, 30) == "gone"
    assert store.offers.is_had(others.id, "others")


@pytest.mark.parametrize("end", ["start", "finish"])
def test_what_a_calibration_offered_ends_with_its_runner(
    store: Store, running: str, end: str
) -> None:
    offer = offered(store, running)
    if end == "start":  # by whoever took it over
        store.calibrations.start(running)
    else:
        store.calibrations.finish(running, "succeeded")
    assert store.offers.standing(offer, 30) == "gone"


def test_nothing_is_begun_for_a_calibration_that_was_cancelled(store: Store, running: str) -> None:
    offered(store, running)
    store.calibrations.request_cancel("local", running)
    assert store.offers.take("helper", CREW) is None


def test_a_leg_that_was_told_meanwhile_is_not_trained(store: Store, running: str) -> None:
    offer_id = offered(store, running)
    store.calibrations.tell(running, a_report(a_leg()))
    assert store.offers.take("helper", CREW) is None
    assert store.offers.standing(offer_id, 30) == "gone"


def test_idle_are_those_of_the_crew_that_live_and_train_for_nobody_else(store: Store) -> None:
    running, other = prepared_calibration(store), prepared_calibration(store, "acme", "other-data")
    for worker, current, crew in (
        ("me", running, CREW),
        ("idle", None, CREW),
        ("helper", None, CREW),
        ("helper-of-another", None, CREW),
        ("busy", other, CREW),
        ("stranger", None, "gpu"),
        ("without-crew", None, None),
    ):
        store.workers.beat(worker, LAPTOP.id, "cpu", current, crew=crew)
    offered(store, running)
    taken(store, "helper")
    offered(store, other)
    taken(store, "helper-of-another")
    assert store.workers.n_idle(CREW, running, "me", 60) == 2
    time.sleep(0.05)
    assert store.workers.n_idle(CREW, running, "me", 0.01) == 0
