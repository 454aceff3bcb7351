"""Legs: leased, told once, read back in order, on both databases."""

import math
import threading
from typing import Any

import pytest

from advisor.evidence import LegReport
from store.engine import Store
from tests.store.examples import a_candidate, a_leg, a_probe, a_report, prepared_calibration


def told(store: Store) -> list[LegReport]:
    return store.calibrations.told("local", "shop-data", "laptop")


def test_a_told_leg_comes_back_as_it_was_told(store: Store) -> None:
    id_ = prepared_calibration(store)
    report = a_report(a_leg()).model_copy(update={"detail": "fine"})
    assert store.calibrations.lease(id_, report.leg) is None
    store.calibrations.tell(id_, report)
    assert told(store) == [LegReport.model_validate(report.model_dump())]


def test_a_lease_is_an_attempt_told_or_not(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.lease(id_, a_leg())
    store.calibrations.lease(id_, a_leg())
    (trial,) = store.calibrations.trials("local", id_).items
    assert (trial.status, trial.attempts, trial.legs_told) == ("running", 2, 0)
    assert told(store) == []


def test_a_told_leg_is_not_leased_again(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.lease(id_, a_leg())
    store.calibrations.tell(id_, a_report(a_leg()))
    assert store.calibrations.lease(id_, a_leg()) == told(store)[0]
    (trial,) = store.calibrations.trials("local", id_).items
    assert (trial.status, trial.attempts, trial.legs_told) == ("paused", 1, 1)


def test_a_trial_goes_on_over_its_legs(store: Store) -> None:
    id_ = prepared_calibration(store)
    for leg, value in ((a_leg(100), 0.3), (a_leg(200, begin=100), 0.2)):
        store.calibrations.lease(id_, leg)
        store.calibrations.tell(id_, a_report(leg, value))
    (trial,) = store.calibrations.trials("local", id_).items
    assert store.calibrations.trial("local", trial.id) == trial
    assert (trial.examples, trial.train_seconds, trial.best_value) == (200, 2.0, 0.3)
    points = store.calibrations.measurements("local", trial.id)
    assert [(p.examples, p.seconds, p.value) for p in points] == [
        (50, 0.5, 0.3),
        (100, 1.0, 0.3),
        (150, 1.5, 0.2),
        (200, 2.0, 0.2),
    ]


@pytest.mark.parametrize("is_same_calibration", [True, False])
def test_a_leg_that_was_cut_and_the_one_that_goes_on_from_there_are_two(
    store: Store, is_same_calibration: bool
) -> None:
    first = prepared_calibration(store)
    second = first if is_same_calibration else prepared_calibration(store)
    cut = a_report(a_leg(200))
    cut = cut.model_copy(update={"measurements": cut.measurements[:1], "examples": 100})
    rest = a_report(a_leg(200, begin=100))
    store.calibrations.tell(first, cut)
    assert store.calibrations.lease(second, rest.leg) is None
    store.calibrations.tell(second, rest)
    assert [(r.leg.from_examples, r.examples) for r in told(store)] == [(0, 100), (100, 200)]
    assert store.calibrations.lease(second, rest.leg) == told(store)[1]
    trial = store.calibrations.trials("local", second).items[0]
    points = store.calibrations.measurements("local", trial.id)
    assert [p.examples for p in points] == [100, 150, 200]


def test_telling_a_leg_twice_changes_nothing(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.tell(id_, a_report(a_leg(), 0.3))
    once = store.calibrations.trials("local").items, told(store)
    store.calibrations.tell(id_, a_report(a_leg(), 0.9, "diverged"))
    assert (store.calibrations.trials("local").items, told(store)) == once


def test_two_threads_that_tell_the_same_leg_count_once(store: Store) -> None:
    id_ = prepared_calibration(store)
    legs = [a_leg(seed=seed) for seed in range(5)]
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def tell_all() -> None:
        try:
            for leg in legs:
                barrier.wait()
                store.calibrations.tell(id_, a_report(leg))
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()

    threads = [threading.Thread(target=tell_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [t.legs_told for t in store.calibrations.trials("local").items] == [1] * 5
    assert [r.leg for r in told(store)] == legs


def test_legs_come_back_in_the_order_told_over_all_calibrations(store: Store) -> None:
    first, second = prepared_calibration(store), prepared_calibration(store)
    elsewhere = prepared_calibration(store, task="other-data")
    order = [(first, a_leg(seed=9)), (second, a_leg(seed=1)), (first, a_leg(seed=5))]
    order += [(second, a_leg(200, begin=100, seed=9))]
    for id_, leg in order:
        store.calibrations.lease(id_, leg)
    store.calibrations.tell(elsewhere, a_report(a_leg(seed=7)))
    for id_, leg in order:
        store.calibrations.tell(id_, a_report(leg))
    assert [r.leg for r in told(store)] == [leg for _, leg in order]


def test_a_leg_that_two_calibrations_told_comes_back_once(store: Store) -> None:
    first, second = prepared_calibration(store), prepared_calibration(store)
    store.calibrations.tell(first, a_report(a_leg(), 0.3))
    store.calibrations.tell(second, a_report(a_leg(), 0.4))
    (report,) = told(store)
    assert report.measurements[0].value == 0.3


def test_a_later_calibration_goes_on_with_the_curve_of_an_earlier_one(store: Store) -> None:
    first, second = prepared_calibration(store), prepared_calibration(store)
    store.calibrations.tell(first, a_report(a_leg(100)))
    store.calibrations.tell(second, a_report(a_leg(200, begin=100)))
    (trial,) = store.calibrations.trials("local", second).items
    assert trial.train_seconds == 1.0  # its own cost only
    points = store.calibrations.measurements("local", trial.id)
    assert [(p.examples, p.seconds) for p in points] == [
        (50, 0.5),
        (100, 1.0),
        (150, 1.5),
        (200, 2.0),
    ]


def test_a_cancelled_leg_is_not_told_and_may_be_leased_again(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.lease(id_, a_leg())
    store.calibrations.tell(id_, a_report(a_leg(), 0.1, "cancelled"))
    assert told(store) == []
    assert store.calibrations.lease(id_, a_leg()) is None
    store.calibrations.tell(id_, a_report(a_leg(), 0.3))
    assert [m.value for r in told(store) for m in r.measurements] == [0.3, 0.3]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_value_that_is_not_finite_is_null_and_diverged(store: Store, value: Any) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.tell(id_, a_report(a_leg(), value))
    (report,) = told(store)
    assert report.outcome == "diverged"
    assert [m.value for m in report.measurements] == [None, None]
    (trial,) = store.calibrations.trials("local").items
    assert (trial.status, trial.outcome, trial.best_value) == ("ended", "diverged", None)


@pytest.mark.parametrize("outcome", ["diverged", "out_of_memory", "timed_out", "failed"])
def test_a_failed_leg_ends_its_trial_and_is_told(store: Store, outcome: Any) -> None:
    id_ = prepared_calibration(store)
    report = LegReport(leg=a_leg(), outcome=outcome, examples=0, detail="Killed\x00")
    store.calibrations.tell(id_, report)
    assert [r.outcome for r in told(store)] == [outcome]
    assert store.calibrations.trials("local").items[0].status == "ended"


def test_the_end_of_a_calibration_ends_its_trials(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.lease(id_, a_leg())
    store.calibrations.finish(id_, "cancelled")
    assert store.calibrations.trials("local").items[0].status == "ended"


def test_trials_are_listed_by_calibration_and_loss_in_pages(store: Store) -> None:
    first, second = prepared_calibration(store), prepared_calibration(store)
    for seed in range(3):
        store.calibrations.lease(first, a_leg(seed=seed))
    store.calibrations.lease(second, a_leg(loss="bpr"))
    assert len(store.calibrations.trials("local").items) == 4
    assert [t.loss for t in store.calibrations.trials("local", loss="bpr").items] == ["bpr"]
    page = store.calibrations.trials("local", first, limit=2)
    rest = store.calibrations.trials("local", first, limit=2, after=page.next_token)
    assert [t.seed for t in (*page.items, *rest.items)] == [2, 1, 0]
    assert rest.next_token is None


def test_a_race_of_many_legs_is_read_back_whole(store: Store) -> None:
    id_ = prepared_calibration(store)
    for seed in range(40):
        store.calibrations.tell(id_, a_report(a_leg(seed=seed)))
    assert [r.leg.trial.seed for r in told(store)] == list(range(40))
    assert all(len(r.measurements) == 2 for r in told(store))


def test_the_last_probe_of_a_cost_shape_counts(store: Store) -> None:
    first, second = prepared_calibration(store), prepared_calibration(store)
    store.calibrations.save_probe(first, a_probe(a_candidate(learning_rate=0.1), 0.01))
    store.calibrations.save_probe(first, a_probe(a_candidate("unheard_of", k=1), 0.02))
    faster = a_probe(a_candidate(learning_rate=0.2), 0.005)
    store.calibrations.save_probe(second, faster)
    other, latest = store.calibrations.probes("local", "shop-data", "laptop")
    assert latest == faster
    assert other.candidate.loss == "unheard_of"
