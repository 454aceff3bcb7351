"""A calibration's life, and its trials, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from advisor.errors import NotFoundError, PageInvalidError, TooManyOpenError
from store.engine import Store
from tests.store.examples import TASK, a_leg, a_recommendation, a_report, prepared_calibration


def test_a_new_calibration_is_queued_and_read_back_as_it_was_written(store: Store) -> None:
    created = store.calibrations.create(TASK, 60.5, "h100")
    assert created.status == "queued"
    assert created.task == TASK
    assert store.calibrations.get("local", created.id) == created


def test_a_tenant_opens_no_more_calibrations_than_it_may_even_all_at_once(store: Store) -> None:
    def ask(_: int) -> str | None:
        try:
            return store.calibrations.create(TASK, 60, "cpu", "acme", n_open_max=3).id
        except TooManyOpenError:
            return None

    with ThreadPoolExecutor(8) as pool:
        opened = [id_ for id_ in pool.map(ask, range(8)) if id_ is not None]
    assert len(opened) == 3
    assert store.calibrations.create(TASK, 60, "cpu", "other", n_open_max=3).status == "queued"
    store.calibrations.finish(opened[0], "succeeded")
    assert ask(0) is not None
    with pytest.raises(TooManyOpenError, match="3 calibrations of yours wait or run, and 3 may"):
        store.calibrations.create(TASK, 60, "cpu", "acme", n_open_max=3)


def test_times_are_utc_and_aware(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.finish(id_, "succeeded")
    found = store.calibrations.get("local", id_)
    assert found.started_at is not None
    assert found.finished_at is not None
    for moment in (found.created_at, found.started_at, found.finished_at):
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert found.created_at <= found.started_at <= found.finished_at


def test_starting_again_after_a_crash_keeps_the_first_start(store: Store) -> None:
    id_ = prepared_calibration(store)
    first = store.calibrations.get("local", id_)
    assert first.status == "running"
    assert store.calibrations.start(id_) == first


def test_the_first_final_status_stays(store: Store) -> None:
    id_ = prepared_calibration(store)
    answer = store.recommendations.save(a_recommendation(calibration_id=id_))
    first = store.calibrations.finish(id_, "succeeded", recommendation_id=answer.id)
    assert store.calibrations.finish(id_, "failed", error="too late") == first
    assert store.calibrations.start(id_) == first
    assert first.recommendation_id == answer.id
    assert first.error is None


def test_a_cancel_is_seen_by_the_runner_until_the_end(store: Store) -> None:
    id_ = prepared_calibration(store)
    assert not store.calibrations.is_cancel_requested(id_)
    assert store.calibrations.request_cancel("local", id_).cancel_requested
    assert store.calibrations.is_cancel_requested(id_)


def test_a_cancel_after_the_end_changes_nothing(store: Store) -> None:
    id_ = prepared_calibration(store)
    ended = store.calibrations.finish(id_, "succeeded")
    assert store.calibrations.request_cancel("local", id_) == ended


def test_spent_seconds_add_up(store: Store) -> None:
    id_ = prepared_calibration(store)
    store.calibrations.add_spent(id_, 1.5)
    store.calibrations.add_spent(id_, 2.0)
    assert store.calibrations.get("local", id_).spent_seconds == 3.5


def test_what_does_not_exist_is_not_found(store: Store) -> None:
    for id_ in ("", "no-such-id", "\x00", "\ud800", "x" * 1000):
        with pytest.raises(NotFoundError):
            store.calibrations.get("local", id_)
    with pytest.raises(NotFoundError):
        store.calibrations.start("no-such-id")
    with pytest.raises(NotFoundError):
        store.calibrations.tell("no-such-id", a_report(a_leg()))
    with pytest.raises(NotFoundError):
        store.calibrations.trial("local", "no-such-id")


def test_a_tenant_never_sees_anothers_calibration(store: Store) -> None:
    id_ = prepared_calibration(store, "acme")
    store.calibrations.tell(id_, a_report(a_leg()))
    (trial,) = store.calibrations.trials("acme").items
    assert store.calibrations.get("acme", id_).tenant == "acme"
    assert store.calibrations.list("local").items == ()
    assert store.calibrations.trials("local").items == ()
    assert store.calibrations.told("local", "shop-data", "laptop") == []
    assert store.calibrations.probes("local", "shop-data", "laptop") == []
    for read in (
        lambda: store.calibrations.get("local", id_),
        lambda: store.calibrations.request_cancel("local", id_),
        lambda: store.calibrations.trial("local", trial.id),
        lambda: store.calibrations.measurements("local", trial.id),
    ):
        with pytest.raises(NotFoundError):
            read()
    assert not store.calibrations.is_cancel_requested(id_)


def test_pages_hold_every_calibration_once_newest_first(store: Store) -> None:
    created = [store.calibrations.create(TASK, 60, "cpu").id for _ in range(5)]
    seen: list[str] = []
    token = None
    while True:
        page = store.calibrations.list("local", limit=2, after=token)
        seen += [c.id for c in page.items]
        token = page.next_token
        if token is None:
            break
        store.calibrations.create(TASK, 60, "cpu")  # a newcomer shifts nothing
    assert seen == created[::-1]


def test_calibrations_are_listed_by_status(store: Store) -> None:
    queued = store.calibrations.create(TASK, 60, "cpu")
    running = prepared_calibration(store)
    assert [c.id for c in store.calibrations.list("local", "queued").items] == [queued.id]
    assert [c.id for c in store.calibrations.list("local", "running").items] == [running]


@pytest.mark.parametrize(
    "token", ["", "x", "!!!", "ä", "AAAA", "MjAyNi0xMS0yNCBhYmM", "MDAwMS0wMS0wMVQwMDowMDowMCBh"]
)
def test_a_token_of_elsewhere_is_refused(store: Store, token: str) -> None:
    with pytest.raises(PageInvalidError):
        store.calibrations.list("local", after=token)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_size_out_of_range_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(PageInvalidError):
        store.calibrations.trials("local", limit=limit)


def test_text_that_a_database_cannot_hold_is_replaced(store: Store) -> None:
    odd = TASK.model_copy(update={"name": "a\x00b"})
    id_ = store.calibrations.create(odd, 60, "cpu").id
    assert store.calibrations.finish(id_, "failed", error="a\x00b\ud800").error == "a\ufffdb?"
    assert store.calibrations.get("local", id_).task == odd
