"""Live events over HTTP: each once and in order, whoever runs the calibration and whatever dies."""

import asyncio
import itertools
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from advisor.live import NumberedEvent
from api.client import AdvisorClient
from api.events import EventHub
from store.engine import open_store
from tests.api.servers import Site, site
from tests.api.streams import events_of
from tests.databases import postgresql_database, sqlite_url
from tests.small_data import at_one_setting
from tests.store.examples import a_candidate, a_leg, a_report, prepared_calibration

N_LISTENERS = 200
N_LEGS = 40


def _short_calibration(site: Site) -> str:
    """One setting of one loss, settled long before the budget ends, and asked for nowhere else."""
    own = {"horizon": {"epochs": 1}, "training": {"batch_size": 300}}
    return site.calibrate(60, losses=at_one_setting("bpr"), **own)


def _check_story(site: Site, calibration_id: str, events: list[NumberedEvent]) -> None:
    """The events are all there are, each once, and say what the store says."""
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    ended = site.ended(calibration_id)
    answer = site.http.get(f"/v1/recommendations/{ended['recommendation_id']}").json()
    decided = events[-1].event
    assert decided.kind == "decided"
    assert (decided.recommendation_id, decided.loss) == (answer["id"], answer["loss"])
    assert events[0].event.kind == "prepared"
    trials = {trial["id"]: trial for trial in site.trials(calibration_id)}
    begun = [e.event for e in events if e.event.kind == "leg_started"]
    assert len(begun) == sum(trial["attempts"] for trial in trials.values())
    over = [e.event for e in events if e.event.kind == "leg_ended"]
    assert len(over) == sum(trial["legs_told"] for trial in trials.values())
    for id_, trial in trials.items():
        values = [e.value for e in over if e.trial_id == id_ and e.value is not None]
        assert not values or max(values) <= trial["best_value"]
    leaders = [e.event for e in events if e.event.kind == "leader_changed"]
    assert leaders
    assert all(a != b for a, b in itertools.pairwise(leaders))


def test_a_stream_tells_the_whole_calibration_and_ends_with_it(sqlite_served: Site) -> None:
    calibration_id = _short_calibration(sqlite_served)
    with events_of(sqlite_served, calibration_id) as stream:
        events = list(stream)
    _check_story(sqlite_served, calibration_id, events)
    measured = [e.event for e in events if e.event.kind == "measurement"]
    (first, *_) = sqlite_served.trials(calibration_id)
    curve = sqlite_served.http.get(f"/v1/trials/{first['id']}/measurements").json()["items"]
    live = [(m.examples, m.value) for m in measured if m.trial_id == first["id"]]
    assert live == [(point["examples"], point["value"]) for point in curve]
    for after in (0, 1, len(events) // 2, len(events) - 1):
        with events_of(sqlite_served, calibration_id, after) as stream:
            assert list(stream) == events[after:]
    path = f"/v1/calibrations/{calibration_id}/events"
    done = sqlite_served.http.get(path, headers={"Last-Event-ID": str(len(events))})
    assert (done.status_code, done.content) == (204, b"")


def test_a_stream_that_cannot_be_is_a_problem(sqlite_served: Site) -> None:
    path = "/v1/calibrations/0123456789abcdef/events"
    assert sqlite_served.http.get(path).status_code == 404
    for given in ("-1", "last", "1.5", "99999999999999"):
        answer = sqlite_served.http.get(path, headers={"Last-Event-ID": given})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "last-event-id"


def test_a_server_killed_in_the_middle_of_a_stream_loses_no_event(tmp_path: Path) -> None:
    restart: list[threading.Thread] = []
    with site(sqlite_url(tmp_path), tmp_path) as own_site:
        server = own_site.serve()
        calibration_id = _short_calibration(own_site)
        events: list[NumberedEvent] = []
        with AdvisorClient(str(own_site.http.base_url)) as client:  # goes on where it was cut off
            for event in client.events(calibration_id):
                events.append(event)
                n_over = len([e for e in events if e.event.kind == "leg_ended"])
                if n_over == 2 and not restart:
                    server.kill()
                    restart.append(threading.Thread(target=own_site.serve))
                    restart[0].start()
        restart[0].join()
        _check_story(own_site, calibration_id, events)


def test_events_of_a_worker_elsewhere_come_through_the_database(
    postgresql: sa.URL, tmp_path: Path
) -> None:
    with postgresql_database(postgresql) as url, site(url, tmp_path) as own_site:
        own_site.serve(ADVISOR_RUNS_CALIBRATIONS="false")
        own_site.work()
        calibration_id = _short_calibration(own_site)
        with events_of(own_site, calibration_id) as stream:
            events = list(stream)
        _check_story(own_site, calibration_id, events)
        body = {"task": own_site.task(), "budget_seconds": 4, "device_tag": "h100"}
        waiting = own_site.http.post("/v1/calibrations", json=body).json()["id"]
        with events_of(own_site, waiting):  # a stream that is open does not keep a server up
            assert own_site.programs[0].terminate() < 10
        assert "Traceback" not in own_site.programs[0].log.read_text()


def test_two_hundred_listeners_see_every_event_once_and_are_read_for_once(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    id_ = prepared_calibration(store)
    n_reads = 0

    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal n_reads
        n_reads += "FROM events" in statement and "events.number >" in statement

    sa.event.listen(store._engine, "before_cursor_execute", count)

    def run() -> None:
        for i in range(N_LEGS):
            leg = a_leg(100 * (i + 1), begin=100 * i)
            store.calibrations.lease(id_, leg)
            store.calibrations.tell(id_, a_report(leg), a_candidate(), 0.3)
            time.sleep(0.01)
        store.calibrations.finish(id_, "failed", error="the end")

    async def listen() -> list[bytes]:
        hub = EventHub(store, look_seconds=0.05)

        async def one(i: int) -> bytes:
            await asyncio.sleep(0.002 * i)  # some come late
            return b"".join([content async for content in hub.stream(id_, 0)])

        writer = threading.Thread(target=run)
        writer.start()
        heard = await asyncio.gather(*(one(i) for i in range(N_LISTENERS)))
        writer.join()
        assert hub.n_readers == 0
        return heard

    started = time.monotonic()
    heard = asyncio.run(listen())
    took = time.monotonic() - started
    n_events = 2 + 4 * N_LEGS + 1
    ids = [line for line in heard[0].decode().splitlines() if line.startswith("id: ")]
    assert ids == [f"id: {i + 1}" for i in range(n_events)]
    assert set(heard) == {heard[0]}
    # One reader's looks, however many listen; a listener of its own would take 200 times as many.
    assert n_reads < 10 + 3 * took / 0.05
    store.close()


def test_a_listener_far_behind_reads_on_from_the_store(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    id_ = prepared_calibration(store)
    leg = a_leg()
    points = [a_report(leg).measurements[0].model_copy(update={"examples": i}) for i in range(1500)]
    store.calibrations.lease(id_, leg)
    store.calibrations.tell(id_, a_report(leg).model_copy(update={"measurements": tuple(points)}))
    store.calibrations.finish(id_, "failed", error="the end")

    async def listen() -> tuple[int, int]:
        hub = EventHub(store)
        all_, last = hub.stream(id_, 0), hub.stream(id_, 1500)
        n_last = len([content async for content in last])
        return len([content async for content in all_]), n_last

    assert asyncio.run(listen()) == (1504, 4)
    store.close()
