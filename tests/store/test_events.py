"""What a calibration said: numbered without a gap, each once, with the change it tells of."""

from typing import Any

import pytest

from advisor.evidence import Measurement
from store.engine import Store
from store.events import MAX_EVENTS
from tests.store.examples import (
    a_candidate,
    a_leg,
    a_probe,
    a_recommendation,
    a_report,
    prepared_calibration,
)


def _kinds(store: Store, id_: str, after: int = 0) -> list[str]:
    events, _ = store.calibrations.events(id_, after)
    assert [e.number for e in events] == list(range(after + 1, after + 1 + len(events)))
    return [event.event.kind for event in events]


def test_every_change_says_so_in_order(store: Store) -> None:
    id_, leg = prepared_calibration(store), a_leg()
    calibrations = store.calibrations
    calibrations.save_probe(id_, a_probe(a_candidate()))
    calibrations.lease(id_, leg)
    calibrations.tell(id_, a_report(leg), a_candidate(), 0.3)
    answer = store.recommendations.save(a_recommendation())
    calibrations.finish(id_, "succeeded", recommendation_id=answer.id)
    assert _kinds(store, id_) == [
        "prepared",
        "probed",
        "leg_started",
        "measurement",
        "measurement",
        "leg_ended",
        "leader_changed",
        "decided",
    ]
    events, has_ended = calibrations.events(id_, 5)
    assert has_ended
    over, leader, decided = (event.event for event in events)
    (trial,) = calibrations.trials("local", id_).items
    assert (over.trial_id, over.examples, over.value) == (trial.id, 100, 0.25)
    assert (leader.loss, leader.value) == ("softmax", 0.3)
    assert (decided.recommendation_id, decided.p_best) == (answer.id, 1.0)
    assert events[-1].is_last
    assert calibrations.events(id_, 8) == ([], True)


def test_what_was_said_before_is_not_said_again(store: Store) -> None:
    id_, leg = prepared_calibration(store), a_leg()
    calibrations, report = store.calibrations, a_report(a_leg())
    calibrations.lease(id_, leg)
    for _ in range(2):  # as after an answer that was lost
        calibrations.prepared(id_, "shop-data", "laptop")
        calibrations.measured(id_, leg, report.measurements[0])
    for _ in range(2):
        calibrations.tell(id_, report, a_candidate(), 0.3)
        calibrations.finish(id_, "failed", error="no more")
    expected = ["prepared", "leg_started", *["measurement"] * 2, "leg_ended", "leader_changed"]
    assert _kinds(store, id_) == [*expected, "failed"]


def test_a_leg_that_begins_anew_measures_anew(store: Store) -> None:
    id_, leg = prepared_calibration(store), a_leg()
    point = Measurement(examples=50, seconds=1.0, value=0.2)
    for _ in range(2):
        store.calibrations.lease(id_, leg)
        store.calibrations.measured(id_, leg, point)
    assert _kinds(store, id_, after=1) == ["leg_started", "measurement"] * 2
    events, _ = store.calibrations.events(id_, 3)
    assert events[0].event.attempt == 2


def test_a_change_that_is_not_kept_says_nothing(store: Store) -> None:
    id_ = prepared_calibration(store)
    not_one: Any = "no candidate"  # the change fails after it has begun
    with pytest.raises(AttributeError):
        store.calibrations.tell(id_, a_report(a_leg()), not_one)
    assert _kinds(store, id_) == ["prepared"]
    assert store.calibrations.trials("local", id_).items == ()


def test_many_events_come_in_stretches(store: Store) -> None:
    id_, leg = prepared_calibration(store), a_leg()
    store.calibrations.lease(id_, leg)
    n = MAX_EVENTS + 10
    points = tuple(Measurement(examples=i + 1, seconds=1.0, value=0.2) for i in range(n))
    store.calibrations.tell(id_, a_report(leg).model_copy(update={"measurements": points}))
    assert len(_kinds(store, id_)) == MAX_EVENTS
    assert len(_kinds(store, id_, after=MAX_EVENTS)) == 13


def test_who_leads_is_said_again_when_it_is_surer_by_a_percent(store: Store) -> None:
    id_ = prepared_calibration(store)
    for number, p_best in enumerate((0.30, 0.301, 0.42)):
        leg = a_leg(seed=number)
        store.calibrations.lease(id_, leg, "it is the named baseline")
        store.calibrations.tell(id_, a_report(leg), a_candidate(), 0.3, p_best)
    events, _ = store.calibrations.events(id_, 0)
    said = [e.event.p_best for e in events if e.event.kind == "leader_changed"]
    assert said == [0.30, 0.42]
    begun = [e.event for e in events if e.event.kind == "leg_started"]
    assert {event.why for event in begun} == {"it is the named baseline"}
